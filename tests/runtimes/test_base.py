"""What every runtime promises, tried on each one that is built."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TINY
from unmask_sdk.errors import ArtifactError, InvalidInputError, RuntimeUnavailableError
from unmask_sdk.export.drawings import draw
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.selection import open_runtime

AnyRuntime = Runtime[Any]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_run_takes_any_batch_and_gives_fresh_arrays(unmasker: AnyRuntime, count: int) -> None:
    images = draw(count, TINY, TINY)
    before = images.copy()
    unmasked, masks = unmasker.run(images)
    assert (unmasked.shape, masks.shape) == (images.shape, (count, TINY, TINY, 1))
    assert (unmasked.dtype, masks.dtype) == (np.uint8, np.uint8)
    assert unmasked.flags.c_contiguous
    assert unmasked.flags.writeable
    unmasked[:] = 0
    np.testing.assert_array_equal(images, before)


def test_pixels_outside_the_mask_come_back_bit_for_bit(unmasker: AnyRuntime) -> None:
    images = np.random.default_rng(3).integers(0, 256, (2, TINY, TINY, 3), np.uint8)
    unmasked, masks = unmasker.run(images)
    outside = np.broadcast_to(masks == 0, images.shape)
    np.testing.assert_array_equal(unmasked[outside], images[outside])


def test_batch_does_not_change_a_picture(unmasker: AnyRuntime) -> None:
    images = draw(4, TINY, TINY)
    together, _ = unmasker.run(images)
    alone = np.concatenate([unmasker.run(images[k : k + 1])[0] for k in range(4)])
    assert np.abs(together.astype(int) - alone).max() <= 1


def test_strided_input_gives_the_same_as_contiguous(unmasker: AnyRuntime) -> None:
    images = draw(2, TINY, TINY)
    turned = np.ascontiguousarray(images[:, ::-1])[:, ::-1]
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(unmasker.run(turned)[0], unmasker.run(images)[0])


def test_out_is_written_and_returned(unmasker: AnyRuntime) -> None:
    images = draw(2, TINY, TINY)
    expected = unmasker.run(images)
    out = np.zeros_like(images), np.zeros((2, TINY, TINY, 1), np.uint8)
    result = unmasker.run(images, out=out)
    assert result[0] is out[0]
    assert result[1] is out[1]
    np.testing.assert_array_equal(out[0], expected[0])
    np.testing.assert_array_equal(out[1], expected[1])


def test_out_of_the_wrong_shape_is_refused(unmasker: AnyRuntime) -> None:
    out = np.zeros((1, TINY, TINY, 3), np.uint8), np.zeros((2, TINY, TINY, 1), np.uint8)
    with pytest.raises(InvalidInputError, match="out must be"):
        unmasker.run(draw(2, TINY, TINY), out=out)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.integers(0, 5), max_size=5),
    dtype=st.sampled_from(["uint8", "int8", "float32", "float64", "bool"]),
)
def test_other_shapes_and_dtypes_are_refused(
    unmasker: AnyRuntime, shape: list[int], dtype: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"the graph takes image: uint8 \[\*, 64, 64, 3\]"):
        unmasker.run(np.zeros(shape, dtype))


@pytest.mark.parametrize("wrong", [None, [[1]], "photo.jpg"])
def test_what_is_no_array_is_refused(unmasker: AnyRuntime, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="NumPy array"):
        unmasker.run(wrong)


def test_unknown_input_names_are_refused(unmasker: AnyRuntime) -> None:
    with pytest.raises(InvalidInputError, match="takes the inputs"):
        unmasker.run_named(picture=draw(1, TINY, TINY))


def test_closed_runtime_says_so(unmasker: AnyRuntime) -> None:
    unmasker.close()
    unmasker.close()
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        unmasker.run(draw(1, TINY, TINY))


def test_many_threads_run_one_runtime(unmasker: AnyRuntime) -> None:
    pictures = [draw(1 + k % 3, TINY, TINY, seed=k) for k in range(24)]
    expected = [unmasker.run(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(unmasker.run, pictures))
    for (unmasked, masks), (unmasked_alone, masks_alone) in zip(results, expected, strict=True):
        np.testing.assert_array_equal(unmasked, unmasked_alone)
        np.testing.assert_array_equal(masks, masks_alone)


def test_closing_while_threads_run_ends_cleanly(unmasker: AnyRuntime) -> None:
    pictures = draw(2, TINY, TINY)
    expected, _ = unmasker.run(pictures)

    def attempt(turn: int) -> bool:
        if turn == 20:
            unmasker.close()
        try:
            unmasked, _ = unmasker.run(pictures)
        except RuntimeUnavailableError:
            return False
        np.testing.assert_array_equal(unmasked, expected)
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(attempt, range(40)))
    assert done[0]
    assert not done[-1]


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
        aligner.run(draw(1, 112, 112))


def test_manifest_of_another_graph_is_refused(own_artifacts: Path) -> None:
    manifest = own_artifacts / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"unmasked"', '"picture"'))
    with pytest.raises(ArtifactError, match="picture"):
        open_runtime(runtime="onnx", artifacts=own_artifacts)


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_thread_count_is_checked(tiny_artifacts: Path, threads: Any) -> None:
    with pytest.raises(InvalidInputError, match="threads"):
        open_runtime(runtime="onnx", threads=threads, artifacts=tiny_artifacts)
