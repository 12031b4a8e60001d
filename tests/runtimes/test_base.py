"""The checks before and after the engine; what each engine promises is in test_conformance.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ArtifactError, InvalidInputError, RuntimeUnavailableError
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.base import Runtime

AnyRuntime = Runtime[Any]


@pytest.fixture(scope="module")
def unmasker(tiny_artifacts: Path) -> Iterator[AnyRuntime]:
    with open_runtime(runtime="onnx", threads=1, artifacts=tiny_artifacts) as opened:
        yield opened


@settings(max_examples=50)
@given(
    shape=st.lists(st.integers(0, 5), max_size=5),
    dtype=st.sampled_from(["uint8", "int8", "float32", "float64", "bool"]),
)
def test_other_shapes_and_dtypes_are_refused(
    unmasker: AnyRuntime, shape: list[int], dtype: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"the graph takes image: uint8 \[\*, 64, 64, 3\]"):
        unmasker.run(np.zeros(shape, dtype))


def test_a_single_crop_is_refused_with_the_fix(unmasker: AnyRuntime) -> None:
    crop = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InvalidInputError, match=r"got uint8 \[64, 64, 3\]; .*: crop\[None\]$"):
        unmasker.run(crop)
    unmasker.run(crop[None])


def test_detector_takes_any_multiple_of_32(tiny_artifacts: Path) -> None:
    with open_runtime("detector", "onnx", artifacts=tiny_artifacts) as detector:
        for height, width in ((32, 32), (64, 320), (256, 96)):
            found = detector.run_named(image=np.zeros((2, height, width, 3), np.uint8))
            assert found["heat"].shape == (2, height // 8, width // 8)
            assert found["box"].shape == (2, height // 8, width // 8, 4)
        empty = detector.run_named(image=np.zeros((0, 64, 64, 3), np.uint8))
        assert empty["heat"].shape[0] == empty["box"].shape[0] == 0


def test_a_size_that_the_engine_refuses_is_a_clear_error(tiny_artifacts: Path) -> None:
    with (
        open_runtime("detector", "onnx", artifacts=tiny_artifacts) as detector,
        pytest.raises(RuntimeUnavailableError, match=r"failed on inputs \[\[1, 33, 40, 3\]\]"),
    ):
        detector.run_named(image=np.zeros((1, 33, 40, 3), np.uint8))


def test_run_is_for_unmaskers(tiny_artifacts: Path) -> None:
    with (
        open_runtime("aligner", "onnx", artifacts=tiny_artifacts) as aligner,
        pytest.raises(InvalidInputError, match="not an unmasker"),
    ):
        aligner.run(draw_masked_faces(1, 112, 112))


def test_manifest_of_another_graph_is_refused(own_artifacts: Path) -> None:
    manifest = own_artifacts / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"unmasked"', '"picture"'))
    with pytest.raises(ArtifactError, match="picture"):
        open_runtime(runtime="onnx", artifacts=own_artifacts)


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_thread_count_is_checked(tiny_artifacts: Path, threads: Any) -> None:
    with pytest.raises(InvalidInputError, match="threads"):
        open_runtime(runtime="onnx", threads=threads, artifacts=tiny_artifacts)


def test_tensors_come_in_and_go_out_through_dlpack(unmasker: AnyRuntime) -> None:
    torch = pytest.importorskip("torch")
    images = draw_masked_faces(2, 64, 64)
    expected = unmasker.run(images)
    for answer, wanted in zip(unmasker.run(torch.from_numpy(images)), expected, strict=True):
        # On the same memory: nothing is copied on the way out.
        tensor = torch.from_dlpack(answer)
        assert tensor.data_ptr() == answer.ctypes.data
        np.testing.assert_array_equal(tensor.numpy(), wanted)


def test_tensors_that_cannot_be_read_are_refused(unmasker: AnyRuntime) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(InvalidInputError, match=r"image, a Tensor, cannot be read .* copy it"):
        unmasker.run(torch.zeros(1, 64, 64, 3, device="meta"))
    with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
        unmasker.run(torch.zeros(1, 64, 64, 3))
