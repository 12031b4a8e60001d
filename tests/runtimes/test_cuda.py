"""ONNX Runtime on CUDA: the reason why it cannot open here, and the whole of it on a GPU."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError
from unmask_sdk.runtimes.registry import find_runtime, runtime_class, why_unavailable

ort = pytest.importorskip("onnxruntime")

from unmask_sdk.runtimes.cuda import (  # noqa: E402
    PROVIDER,
    OnnxCudaRuntime,
    check_build,
    how_to_install,
)
from unmask_sdk.runtimes.onnx import OnnxRuntime  # noqa: E402

with_cuda = PROVIDER in ort.get_available_providers()


@pytest.fixture
def unmasker(tiny_artifacts: Path) -> tuple[Path, Artifact]:
    manifest = read_manifest(tiny_artifacts)
    artifact = manifest.find(role="unmasker", formats=("onnx",))[0]
    return manifest.path(artifact), artifact


@pytest.mark.skipif(with_cuda, reason="ONNX Runtime is a build with CUDA")
def test_a_build_without_cuda_is_named_with_what_mends_it(unmasker: tuple[Path, Artifact]) -> None:
    reason = "build without CUDA .*CPUExecutionProvider.*" + re.escape(install_command("cuda"))
    with pytest.raises(RuntimeUnavailableError, match=reason):
        check_build()
    with pytest.raises(RuntimeUnavailableError, match=reason):
        OnnxCudaRuntime(*unmasker, device="cuda")


def test_jetson_is_sent_to_its_own_builds() -> None:
    heading = how_to_install("6.8.12-tegra").rpartition(", ")[2].rstrip(")")
    page = Path(__file__).parents[2] / "docs" / "jetson.md"
    assert f"## {heading}\n" in page.read_text(encoding="utf-8")
    assert how_to_install("6.8.0-45-generic") == install_command("cuda")


class Unchecked(OnnxCudaRuntime):
    """As if the build had CUDA and the GPU were there: what does ONNX Runtime open then?"""

    _open = OnnxRuntime._open


@pytest.mark.skipif(with_cuda, reason="ONNX Runtime is a build with CUDA")
def test_another_provider_than_asked_for_is_an_error(unmasker: tuple[Path, Artifact]) -> None:
    with (
        pytest.warns(UserWarning, match=PROVIDER),
        pytest.raises(
            DeviceMismatchError,
            match=f"asked .* for {PROVIDER}, got CPUExecutionProvider: the libraries of CUDA",
        ),
    ):
        Unchecked(*unmasker, device="cuda")


def test_registry_knows_it() -> None:
    entry = find_runtime("cuda")
    assert (entry.formats, entry.devices) == (("onnx",), ("cuda",))
    assert runtime_class(entry) is OnnxCudaRuntime
    trouble = why_unavailable(replace(entry, requires=("no_such_package",)))
    assert trouble is not None


@pytest.mark.gpu
@pytest.mark.skipif(
    why_unavailable(find_runtime("cuda")) is not None or not with_cuda, reason="needs CUDA"
)
def test_on_a_gpu_it_agrees_with_torch(tiny_artifacts: Path) -> None:
    from tiny_networks import TINY
    from torch_agreement import agree

    agree(tiny_artifacts, TINY, 16, "cuda")
