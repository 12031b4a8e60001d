"""The TensorRT runtime, as far as it goes: without a GPU up to the reason why it cannot open, with
one through the whole of it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import unmask_sdk
from tiny_networks import TINY
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.doctor import diagnose
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.engines.profiles import PROFILES
from unmask_sdk.runtimes.nvidia import driver_problem, driver_version, find_gpu
from unmask_sdk.runtimes.registry import find_runtime, runtime_class, why_unavailable

JETSON = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: …"
KERNEL = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:14:49 UTC 2025"
OPEN_KERNEL = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build  (dvs)\n"
    "GCC version:  gcc version 12.3.0\n"
)


def _gpu_problem() -> str | None:
    try:
        find_gpu()
    except RuntimeUnavailableError as error:
        return str(error)
    return None


without_gpu = pytest.mark.skipif(_gpu_problem() is None, reason="there is a GPU")
without_driver = pytest.mark.skipif(driver_problem() is None, reason="there is an NVIDIA driver")
with_gpu = pytest.mark.skipif(_gpu_problem() is not None, reason="needs CUDA")


@pytest.mark.parametrize(
    ("tegra", "kernel", "cuda", "expected"),
    [
        (JETSON, "", 12060, "L4T 36.4.3"),
        ("", KERNEL, 13000, "580.65.06"),
        ("", OPEN_KERNEL, 12090, "575.57.08"),
        ("", "", 12060, "CUDA 12.6"),
        ("something else", "no version", 13010, "CUDA 13.1"),
    ],
)
def test_driver_is_named(tegra: str, kernel: str, cuda: int, expected: str) -> None:
    assert driver_version(tegra, kernel, cuda) == expected


@without_driver
@pytest.mark.parametrize("name", ["trt", "tensorrt", "cuda"])
def test_without_a_driver_that_is_the_reason(name: str) -> None:
    with pytest.raises(
        RuntimeUnavailableError,
        match=r"there is no NVIDIA driver \(lib.*\); install the NVIDIA driver",
    ):
        unmask_sdk.load(name)
    (status,) = (r for r in diagnose().runtimes if r.name == find_runtime(name).name)
    assert not status.usable
    assert "no NVIDIA driver" in status.reason
    assert "JetPack" in (status.fix or "")


@without_gpu
def test_the_runtime_imports_and_says_why_it_does_not_open(tiny_artifacts: Path) -> None:
    entry = find_runtime("trt")
    if missing_packages(entry.requires[:1]):
        pytest.importorskip("tensorrt_rtx")
    runtime = runtime_class(entry)
    manifest = read_manifest(tiny_artifacts)
    artifact = manifest.find(role="unmasker", formats=("onnx",))[0]
    with pytest.raises(RuntimeUnavailableError, match="NVIDIA driver"):
        runtime(manifest.path(artifact), artifact, device="cuda")


def test_either_package_will_do() -> None:
    assert missing_packages(["numpy|no_such_package", "no_such_package|numpy"]) == []
    assert missing_packages(["no_such|nor_this", "numpy"]) == ["no_such or nor_this"]


def test_other_devices_are_refused_before_anything_else() -> None:
    trouble = why_unavailable(find_runtime("trt"), "cpu")
    assert trouble is not None
    assert trouble.reason == "TensorRT runs on cuda, not on 'cpu'"


def test_profiles_hold_what_the_sdk_looks_at() -> None:
    from unmask_sdk.faces.detector_postprocess import detector_scales, letterbox

    specs = {a.role: a.inputs[0] for a in read_manifest().artifacts if a.format == "onnx"}
    for role, spec in specs.items():
        small, best, large = PROFILES[role].shapes(spec)
        assert all(a <= b <= c for a, b, c in zip(small, best, large, strict=True))
    low, _, high = PROFILES["detector"].shapes(specs["detector"])
    for height, width in ((1, 1), (480, 640), (3000, 4000), (9000, 1000)):
        for scale in detector_scales(height, width):
            canvas, _ = letterbox(np.zeros((height, width, 3), np.uint8), scale)
            assert low[1] <= canvas.shape[0] <= high[1]
            assert low[2] <= canvas.shape[1] <= high[2]


@pytest.mark.gpu
@with_gpu
def test_on_a_gpu_it_agrees_and_threads_do_not_mix(
    tiny_trt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    trouble = why_unavailable(find_runtime("trt"))
    if trouble is not None:
        pytest.skip(f"needs CUDA: {trouble.reason}")
    assert all(check.ok for check in iter_checks(tiny_trt, "trt"))
    # 19 is more than twice what the engine takes at once.
    images = draw_masked_faces(19, TINY, TINY)
    with open_runtime(runtime="trt", artifacts=tiny_trt) as opened:
        expected = opened.run(images)
        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(opened.run, [images] * 32):
                np.testing.assert_array_equal(got[0], expected[0])
                np.testing.assert_array_equal(got[1], expected[1])
    with (
        open_runtime("detector", "trt", artifacts=tiny_trt) as detector,
        pytest.raises(InvalidInputError, match="sides of 32 to 1728 pixels"),
    ):
        detector.run_named(image=np.zeros((1, 1760, 32, 3), np.uint8))
