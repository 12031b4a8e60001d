"""PyTorch as a runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import RuntimeUnavailableError
from unmask_sdk.loading.load import open_runtime

torch = pytest.importorskip("torch")


def test_info_says_what_runs(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="torch", threads=1, artifacts=tiny_artifacts) as opened:
        info = opened.info
    assert (info.runtime, info.device, info.precision, info.threads) == ("torch", "cpu", "fp32", 1)
    assert torch.__version__ in info.provider


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_an_error_and_no_fallback(tiny_artifacts: Path) -> None:
    with pytest.raises(RuntimeUnavailableError, match="no CUDA device"):
        open_runtime(runtime="torch", device="cuda", artifacts=tiny_artifacts)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_is_what_it_says(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="torch", device="cuda", artifacts=tiny_artifacts) as opened:
        assert opened.info.device == "cuda"


def test_an_engine_that_fails_is_a_clear_error(tiny_artifacts: Path) -> None:
    from unmask_sdk.runtimes.torch import TorchRuntime

    manifest = read_manifest(tiny_artifacts)
    (entry,) = manifest.find(role="unmasker", formats=("safetensors",))
    # The file takes pictures of another size than this entry says.
    image = dataclasses.replace(entry.inputs[0], shape=(None, 3, 3, 3))
    wrong = dataclasses.replace(entry, inputs=(image,))
    with (
        TorchRuntime(manifest.path(entry), wrong) as opened,
        pytest.raises(RuntimeUnavailableError, match=r"failed on inputs \[\[1, 3, 3, 3\]\]: \S"),
    ):
        opened.run_named(image=draw_masked_faces(1, 3, 3))
