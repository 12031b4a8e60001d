"""ONNX Runtime on the CPU: the same answer as torch, and honest about where it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_networks import TINY
from torch_agreement import agree
from unmask_sdk.core.cpu_features import multiplies_int8_exactly
from unmask_sdk.core.manifest import read_manifest, shipped_folder
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.onnx import OnnxRuntime


def test_agrees_with_torch(tiny_artifacts: Path) -> None:
    agree(tiny_artifacts, TINY, 64)


@pytest.mark.slow
def test_shipped_unmasker_agrees_with_torch() -> None:
    pytest.importorskip("torch")
    if not shipped_folder().exists():
        pytest.skip("no artifacts are shipped yet")
    agree(None, 256, 64)


def test_info_says_what_runs(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="onnx", threads=2, artifacts=tiny_artifacts) as opened:
        info = opened.info
    assert (info.runtime, info.device, info.precision, info.threads) == ("onnx", "cpu", "fp32", 2)
    assert "CPUExecutionProvider" in info.provider


def test_threads_of_an_idle_network_do_not_spin(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="onnx", artifacts=tiny_artifacts) as opened:
        options = opened._handle.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_exact_int8_slows_no_cpu_that_is_exact_anyway(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="onnx", artifacts=tiny_artifacts) as opened:
        options = opened._handle.get_session_options()
    if multiplies_int8_exactly():
        with pytest.raises(RuntimeError, match="x64quantprecision"):
            options.get_session_config_entry("session.x64quantprecision")
    else:
        assert options.get_session_config_entry("session.x64quantprecision") == "1"


def test_file_that_is_no_model_is_a_clear_error(tiny_artifacts: Path, tmp_path: Path) -> None:
    entry = read_manifest(tiny_artifacts).find(role="unmasker", formats=("onnx",))[0]
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(RuntimeUnavailableError, match=r"does not open broken\.onnx"):
        OnnxRuntime(path, entry)


def test_other_devices_are_refused(tiny_artifacts: Path) -> None:
    with pytest.raises(RuntimeUnavailableError, match="runs on cpu, not on 'cuda'"):
        open_runtime(runtime="onnx", device="cuda", artifacts=tiny_artifacts)
    with pytest.raises(InvalidInputError, match="unknown runtime 'gpu'"):
        open_runtime(runtime="gpu", artifacts=tiny_artifacts)
