"""OpenVINO on the CPU: the same answer as torch, in the precision that was asked for."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from torch_agreement import agree
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import RuntimeUnavailableError
from unmask_sdk.loading.load import open_runtime

pytest.importorskip("openvino")
from unmask_sdk.runtimes.openvino import OpenVINORuntime

pytestmark = pytest.mark.engine


def test_shipped_unmasker_agrees_with_torch() -> None:
    agree(None, 256, 24, "openvino")


def test_info_says_what_runs(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="openvino", threads=2, artifacts=tiny_artifacts) as opened:
        info = opened.info
    assert (info.device, info.precision, info.threads) == ("cpu", "fp32", 2)
    assert "OpenVINO" in info.provider


def test_file_that_is_no_model_is_a_clear_error(tiny_artifacts: Path, tmp_path: Path) -> None:
    entry = read_manifest(tiny_artifacts).find(role="unmasker", formats=("onnx",))[0]
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(RuntimeUnavailableError, match=r"does not open broken\.onnx"):
        OpenVINORuntime(path, entry)


def test_threads_do_not_mix_their_pictures(tiny_artifacts: Path) -> None:
    """Every thread has a request of its own, and nobody's output is written over later."""
    pictures = draw_masked_faces(24, 64, 64, seed=3)[:, None]
    with open_runtime(runtime="openvino", threads=1, artifacts=tiny_artifacts) as opened:
        alone = [opened.run(picture) for picture in pictures]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(opened.run, [*pictures] * 4))
    for expected, got in zip(alone * 4, together, strict=True):
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(a, b)


SIGNALS = """
import signal, sys, threading
from unmask_sdk.loading.load import open_runtime

handled = []
signal.signal(signal.SIGTERM, lambda *_: handled.append(1))
def runtime():
    return open_runtime(runtime="openvino", threads=1, artifacts=sys.argv[1])
first, second = runtime(), runtime()
if sys.argv[2] == "order":
    first.close()
    second.close()
else:
    thread = threading.Thread(target=lambda: (first.close(), second.close()))
    thread.start()
    thread.join()
del first, second
signal.raise_signal(signal.SIGTERM)
print(len(handled))
"""


@pytest.mark.parametrize("closed", ["order", "thread"])
def test_signals_are_handled_once_models_are_closed(tiny_artifacts: Path, closed: str) -> None:
    """Each core of OpenVINO gives its thread a stack for signal handlers, and unmaps it."""
    command = [sys.executable, "-c", SIGNALS, str(tiny_artifacts), closed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
