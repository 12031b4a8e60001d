"""What every runtime promises, as tests. One that `load()` knows by name is tried by a command::

    python -m unmask_sdk.runtimes.conformance --runtime tflite --precision int8 --artifacts DIR

Authors of runtimes have them among their own tests::

    import pytest
    from unmask_sdk.runtimes.conformance import RuntimeConformance
    from unmask_sdk.loading.load import open_runtime

    class TestMirror(RuntimeConformance):
        @pytest.fixture
        def runtime(self):
            with open_runtime(runtime="mirror", threads=1) as opened:
                yield opened

Needs pytest. The promises are those of `base.py`; answers are compared with the runtime's own, or
with the artifact's golden vectors by `unmask verify`, which needs no tests.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import (
    InvalidInputError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UnmaskError,
)
from unmask_sdk.loading.load import open_runtime

from .base import Runtime

try:
    import pytest
except ModuleNotFoundError as error:
    NEEDS = f"the conformance suite needs pytest; {pip_command('install pytest')}"
    if __name__ == "__main__":
        raise SystemExit(NEEDS) from None
    raise MissingDependencyError(NEEDS) from error

AnyRuntime = Runtime[Any]

THREADS = 8
# How far the same picture's answers may lie apart when it is run alone and in a batch, of 255.
# Engines choose other kernels for other batch sizes; rounded numbers are then a step apart.
BATCH_TOLERANCE = {"fp32": 1, "fp16": 4}
ROUNDED_TOLERANCE = 8


class RuntimeConformance:
    """Tests of one runtime. Subclass it, and give the fixture `runtime`.

    The fixture gives the runtime opened on an unmasker, anew for each test.
    """

    @pytest.fixture
    def runtime(self) -> AnyRuntime:
        """The runtime under test."""
        raise NotImplementedError("give a fixture `runtime`: your runtime, opened on an unmasker")

    @pytest.mark.parametrize("count", [0, 1, 2, 5])
    def test_takes_any_batch_and_gives_fresh_arrays(self, runtime: AnyRuntime, count: int) -> None:
        images = pictures(runtime, count)
        before = images.copy()
        unmasked, masks = runtime.run(images)
        assert (unmasked.shape, masks.shape) == (images.shape, (*images.shape[:3], 1))
        assert unmasked.dtype == masks.dtype == np.uint8
        assert unmasked.flags.c_contiguous
        assert unmasked.flags.writeable
        assert not np.shares_memory(unmasked, images)
        kept = unmasked.copy()
        runtime.run(pictures(runtime, count, seed=1))
        np.testing.assert_array_equal(unmasked, kept, "a later run wrote over an earlier result")
        np.testing.assert_array_equal(images, before, "the input was changed")

    def test_pixels_outside_the_mask_come_back_bit_for_bit(self, runtime: AnyRuntime) -> None:
        shape = pictures(runtime, 2).shape
        images = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        for batch in (images, pictures(runtime, 4)):
            unmasked, masks = runtime.run(batch)
            outside = np.broadcast_to(masks == 0, batch.shape)
            np.testing.assert_array_equal(unmasked[outside], batch[outside])

    def test_a_picture_alone_is_the_picture_in_a_batch(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 4)
        together, _ = runtime.run(images)
        alone = np.concatenate([runtime.run(images[k : k + 1])[0] for k in range(4)])
        tolerance = BATCH_TOLERANCE.get(runtime.info.precision, ROUNDED_TOLERANCE)
        assert np.abs(together.astype(int) - alone).max() <= tolerance

    def test_strided_input_gives_the_same_as_contiguous(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 2)
        turned = np.ascontiguousarray(images[:, ::-1])[:, ::-1]
        assert not turned.flags.c_contiguous
        np.testing.assert_array_equal(runtime.run(turned)[0], runtime.run(images)[0])

    def test_tensors_come_through_dlpack(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 2)
        for given, wanted in zip(runtime.run(Foreign(images)), runtime.run(images), strict=True):
            np.testing.assert_array_equal(given, wanted)

    def test_out_is_written_and_returned(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 2)
        expected = runtime.run(images)
        out = np.zeros_like(expected[0]), np.zeros_like(expected[1])
        result = runtime.run(images, out=out)
        for given, returned, wanted in zip(out, result, expected, strict=True):
            assert returned is given
            np.testing.assert_array_equal(given, wanted)

    def test_out_of_the_wrong_shape_is_refused(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 2)
        out = np.zeros_like(images[:1]), np.zeros_like(images[..., :1])
        with pytest.raises(InvalidInputError, match="out must be"):
            runtime.run(images, out=out)

    @pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "bool"])
    def test_other_dtypes_are_refused(self, runtime: AnyRuntime, dtype: str) -> None:
        with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
            runtime.run(pictures(runtime, 1).astype(dtype))

    def test_other_shapes_are_refused(self, runtime: AnyRuntime) -> None:
        image = pictures(runtime, 1)
        for wrong in (image[0], image[..., :1], image[:, 1:], image[:, :, 1:], image[None]):
            with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
                runtime.run(wrong)

    @pytest.mark.parametrize("wrong", [None, [[1]], "photo.jpg"])
    def test_what_is_no_array_is_refused(self, runtime: AnyRuntime, wrong: Any) -> None:
        with pytest.raises(InvalidInputError, match="NumPy array"):
            runtime.run(wrong)

    def test_unknown_input_names_are_refused(self, runtime: AnyRuntime) -> None:
        with pytest.raises(InvalidInputError, match="takes the inputs"):
            runtime.run_named(picture=pictures(runtime, 1))

    def test_says_what_it_runs_on(self, runtime: AnyRuntime) -> None:
        info = runtime.info
        assert info.runtime
        assert info.provider
        assert info.device
        assert info.precision == runtime.artifact.precision

    def test_many_threads_run_one_runtime(self, runtime: AnyRuntime) -> None:
        batches = [pictures(runtime, 1 + k % 3, seed=k) for k in range(3 * THREADS)]
        expected = [runtime.run(batch) for batch in batches]
        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(runtime.run, batches))
        for got, wanted in zip(results, expected, strict=True):
            for a, b in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_closed_runtime_says_so(self, runtime: AnyRuntime) -> None:
        runtime.close()
        runtime.close()
        with pytest.raises(RuntimeUnavailableError, match="closed"):
            runtime.run(pictures(runtime, 1))

    def test_closing_while_threads_run_ends_cleanly(self, runtime: AnyRuntime) -> None:
        images = pictures(runtime, 2)
        expected, _ = runtime.run(images)

        def attempt(turn: int) -> bool:
            if turn == 20:
                runtime.close()
            try:
                unmasked, _ = runtime.run(images)
            except RuntimeUnavailableError:
                return False
            np.testing.assert_array_equal(unmasked, expected)
            return True

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(attempt, range(40)))
        assert done[0]
        assert not done[-1]


class Foreign:
    """An array of some other library: nothing is known of it but that it speaks DLPack."""

    def __init__(self, array: AnyArray) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def pictures(runtime: AnyRuntime, count: int, seed: int = 0) -> UInt8Array:
    """Draws inputs for an opened unmasker: uint8 `[count, S, S, 3]`."""
    _, height, width, _ = runtime.artifact.inputs[0].shape
    assert height is not None
    assert width is not None
    return draw_masked_faces(count, height, width, seed)


class TestNamed(RuntimeConformance):
    """The suite on the runtime that the command names."""

    @pytest.fixture
    def runtime(self, asked: dict[str, Any]) -> Iterator[AnyRuntime]:
        with open_runtime(**asked) as opened:
            yield opened


class Asked:
    """A plugin of pytest that hands over what the command line asks for."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return self._options


def main() -> int:
    """Runs the suite on one runtime, and gives the exit code: 0 if it keeps every promise."""
    parser = argparse.ArgumentParser("python -m unmask_sdk.runtimes.conformance")
    parser.add_argument("--runtime", default="auto", help="see `unmask doctor`")
    parser.add_argument("--precision", default="auto", help="such as int8")
    parser.add_argument("--model", help="unmasker, where a folder holds several")
    parser.add_argument("--device", help="cpu, cuda; Core ML: all, gpu, ane")
    parser.add_argument("--artifacts", type=Path, help="folder with a manifest.json")
    options = vars(parser.parse_args())
    try:
        with open_runtime(**options) as opened:
            print(f"{opened.artifact.name} {opened.info.precision} on {opened.info.provider}")
    except UnmaskError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # By itself alone: no settings and no conftest.py of a project that it is installed in.
    alone = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest"]
    return int(
        pytest.main([__file__, "-q", *alone, "-p", "no:cacheprovider"], plugins=[Asked(options)])
    )


if __name__ == "__main__":
    sys.exit(main())
