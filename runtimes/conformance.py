"""The conformance suite: what every runtime has to do, as tests.

For a runtime that `load()` knows by name, there is a command::

    python -m unmask_sdk.runtimes.conformance --runtime tflite --precision int8 --artifacts DIR

Authors of runtimes can also add the tests to their own::

    import pytest
    from unmask_sdk.loading.load import open_runtime
    from unmask_sdk.runtimes.conformance import LocatorConformance, RuntimeConformance

    class TestUnmasker(RuntimeConformance):
        @pytest.fixture
        def runtime(self):
            with open_runtime("unmasker", "mine", threads=1) as opened:
                yield opened

    class TestLocator(LocatorConformance):
        @pytest.fixture(params=["detector", "aligner"])
        def runtime(self, request):
            with open_runtime(request.param, "mine", threads=1) as opened:
                yield opened

It needs pytest. The rules are those of `base.py`. Outputs are compared with other outputs of the
same runtime; `unmask verify` compares them with the artifact's golden vectors.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.locator_sizes import STRIDE
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import (
    InvalidInputError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UnmaskError,
)
from unmask_sdk.loading.load import open_runtime

# Not relative: pytest imports this file by its path, and `.registry` would be a second module.
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import find_runtime

try:
    import pytest
except ModuleNotFoundError as error:
    NEEDS = f"the conformance suite needs pytest; {pip_command('install pytest')}"
    if __name__ == "__main__":
        raise SystemExit(NEEDS) from None
    raise MissingDependencyError(NEEDS) from error

AnyRuntime = Runtime[Any]

THREADS = 8
# Largest difference, of 255, between the outputs for an image alone and in a batch. Engines choose
# other kernels for other batch sizes; rounded numbers are then a step apart.
BATCH_TOLERANCE = {"fp32": 1, "fp16": 4}
ROUNDED_TOLERANCE = 8
# The same for the floats of detector and aligner, of the largest magnitude (at least 1).
FLOAT_TOLERANCE = {"fp32": 1e-4}
ROUNDED_FLOAT_TOLERANCE = 0.05
# Height and width of detector inputs, where the graph leaves them open.
OPEN_SIDES = (2 * STRIDE, 3 * STRIDE)


class RuntimeConformance:
    """Tests of a runtime on an unmasker. Subclass it, and override the fixture `runtime`.

    The fixture returns the runtime, newly opened on an unmasker for each test.
    """

    @pytest.fixture
    def runtime(self) -> AnyRuntime:
        """The runtime under test."""
        raise NotImplementedError("override the fixture `runtime`: yours, opened on an unmasker")

    @pytest.mark.parametrize("count", [0, 1, 2, 5])
    def test_any_batch_returns_fresh_arrays(self, runtime: AnyRuntime, count: int) -> None:
        """Results have the batch's size, and no later run writes over them."""
        images = sample(runtime, count)
        before = images.copy()
        unmasked, masks = runtime.run(images)
        assert (unmasked.shape, masks.shape) == (images.shape, (*images.shape[:3], 1))
        assert unmasked.dtype == masks.dtype == np.uint8
        assert unmasked.flags.c_contiguous
        assert unmasked.flags.writeable
        assert not np.shares_memory(unmasked, images)
        kept = unmasked.copy()
        runtime.run(sample(runtime, count, seed=1))
        np.testing.assert_array_equal(unmasked, kept, "a later run wrote over an earlier result")
        np.testing.assert_array_equal(images, before, "the input was changed")

    def test_pixels_outside_the_mask_are_unchanged(self, runtime: AnyRuntime) -> None:
        """Where the mask is 0, the result is the input, bit for bit."""
        shape = sample(runtime, 2).shape
        noise = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        for batch in (noise, sample(runtime, 4)):
            unmasked, masks = runtime.run(batch)
            outside = np.broadcast_to(masks == 0, batch.shape)
            np.testing.assert_array_equal(unmasked[outside], batch[outside])

    def test_image_alone_equals_image_in_batch(self, runtime: AnyRuntime) -> None:
        """The other images of a batch do not change a result."""
        images = sample(runtime, 4)
        together, _ = runtime.run(images)
        alone = np.concatenate([runtime.run(images[k : k + 1])[0] for k in range(4)])
        tolerance = BATCH_TOLERANCE.get(runtime.info.precision, ROUNDED_TOLERANCE)
        assert np.abs(together.astype(int) - alone).max() <= tolerance

    def test_strided_input_equals_contiguous_input(self, runtime: AnyRuntime) -> None:
        """Inputs need not be C-contiguous."""
        images = sample(runtime, 2)
        strided = np.ascontiguousarray(images[:, ::-1])[:, ::-1]
        assert not strided.flags.c_contiguous
        np.testing.assert_array_equal(runtime.run(strided)[0], runtime.run(images)[0])

    def test_dlpack_input(self, runtime: AnyRuntime) -> None:
        """Tensors of other libraries are read through DLPack."""
        images = sample(runtime, 2)
        for output, expected in zip(runtime.run(Foreign(images)), runtime.run(images), strict=True):
            np.testing.assert_array_equal(output, expected)

    def test_out_is_written_and_returned(self, runtime: AnyRuntime) -> None:
        """`out=` arrays hold the results."""
        images = sample(runtime, 2)
        expected = runtime.run(images)
        out = np.zeros_like(expected[0]), np.zeros_like(expected[1])
        result = runtime.run(images, out=out)
        for given, returned, wanted in zip(out, result, expected, strict=True):
            assert returned is given
            np.testing.assert_array_equal(given, wanted)

    def test_out_of_wrong_shape_is_refused(self, runtime: AnyRuntime) -> None:
        """`out=` arrays have the shapes of the results."""
        images = sample(runtime, 2)
        out = np.zeros_like(images[:1]), np.zeros_like(images[..., :1])
        with pytest.raises(InvalidInputError, match="out must be"):
            runtime.run(images, out=out)

    @pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "bool"])
    def test_other_dtypes_are_refused(self, runtime: AnyRuntime, dtype: str) -> None:
        """Inputs have the manifest's dtype."""
        with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
            runtime.run(sample(runtime, 1).astype(dtype))

    def test_other_shapes_are_refused(self, runtime: AnyRuntime) -> None:
        """Inputs have the manifest's shape."""
        image = sample(runtime, 1)
        for wrong in (image[0], image[..., :1], image[:, 1:], image[:, :, 1:], image[None]):
            with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
                runtime.run(wrong)

    @pytest.mark.parametrize("wrong", [None, [[1]], "photo.jpg"])
    def test_non_arrays_are_refused(self, runtime: AnyRuntime, wrong: Any) -> None:
        """Inputs are arrays."""
        with pytest.raises(InvalidInputError, match="NumPy array"):
            runtime.run(wrong)

    def test_unknown_input_names_are_refused(self, runtime: AnyRuntime) -> None:
        """Inputs have the manifest's names."""
        with pytest.raises(InvalidInputError, match="takes the inputs"):
            runtime.run_named(picture=sample(runtime, 1))

    def test_info_is_complete(self, runtime: AnyRuntime) -> None:
        """`info` names runtime, provider and device, and the artifact's precision."""
        info = runtime.info
        assert info.runtime
        assert info.provider
        assert info.device
        assert info.precision == runtime.artifact.precision

    def test_many_threads_share_one_runtime(self, runtime: AnyRuntime) -> None:
        """Threads get the results that one thread gets, bit for bit."""
        batches = [sample(runtime, 1 + k % 3, seed=k) for k in range(3 * THREADS)]
        expected = [runtime.run(batch) for batch in batches]
        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(runtime.run, batches))
        for outputs, wanted in zip(results, expected, strict=True):
            for a, b in zip(outputs, wanted, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_closed_runtime_raises(self, runtime: AnyRuntime) -> None:
        """`close` may be called twice; later runs raise."""
        runtime.close()
        runtime.close()
        with pytest.raises(RuntimeUnavailableError, match="closed"):
            runtime.run(sample(runtime, 1))

    def test_close_while_threads_run(self, runtime: AnyRuntime) -> None:
        """Runs that have begun finish with the right result; later ones raise."""
        images = sample(runtime, 2)
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


class LocatorConformance:
    """Tests of a runtime on the networks that find faces: a detector and an aligner.

    Subclass it, and override the fixture `runtime` with the runtime newly opened on each of the two
    for each test. `load()` opens all three networks on one runtime, unless its `RuntimeEntry.roles`
    name the unmasker only.
    """

    @pytest.fixture
    def runtime(self) -> AnyRuntime:
        """The runtime under test."""
        raise NotImplementedError(
            "override the fixture `runtime`: yours, opened on a detector and on an aligner"
        )

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_outputs_are_those_of_the_manifest(self, runtime: AnyRuntime, count: int) -> None:
        """All outputs are there by name, for any batch, and no later run writes over them."""
        images = sample(runtime, count)
        outputs = runtime.run_named(image=images)
        assert list(outputs) == [spec.name for spec in runtime.artifact.outputs]
        for spec in runtime.artifact.outputs:
            output = outputs[spec.name]
            assert output.dtype == np.dtype(spec.dtype)
            assert (output.ndim, len(output)) == (len(spec.shape), count)
            assert np.isfinite(output).all()
        kept = {name: output.copy() for name, output in outputs.items()}
        runtime.run_named(image=sample(runtime, count, seed=1))
        assert_equal(outputs, kept)

    def test_image_alone_equals_image_in_batch(self, runtime: AnyRuntime) -> None:
        """The other images of a batch do not change a result."""
        images = sample(runtime, 3)
        together = runtime.run_named(image=images)
        alone = [runtime.run_named(image=images[k : k + 1]) for k in range(3)]
        share = FLOAT_TOLERANCE.get(runtime.info.precision, ROUNDED_FLOAT_TOLERANCE)
        for name, output in together.items():
            single = np.concatenate([outputs[name] for outputs in alone])
            tolerance = share * max(1.0, float(np.abs(output).max()))
            np.testing.assert_allclose(output, single, rtol=0, atol=tolerance)

    def test_sizes_are_those_of_the_manifest(self, runtime: AnyRuntime) -> None:
        """Any multiple of the stride where the graph leaves the sides open, else its one size."""
        if None not in runtime.artifact.inputs[0].shape[1:3]:
            with pytest.raises(InvalidInputError, match="the graph takes image: uint8"):
                runtime.run_named(image=draw_masked_faces(1, STRIDE, STRIDE))
            return
        for height, width in ((STRIDE, STRIDE), (5 * STRIDE, 2 * STRIDE), OPEN_SIDES):
            outputs = runtime.run_named(image=draw_masked_faces(1, height, width))
            for output in outputs.values():
                assert output.shape[1] / output.shape[2] == height / width

    def test_many_threads_share_one_runtime(self, runtime: AnyRuntime) -> None:
        """Threads get the results that one thread gets, bit for bit."""
        batches = [sample(runtime, 1 + k % 2, seed=k) for k in range(2 * THREADS)]
        expected = [runtime.run_named(image=batch) for batch in batches]
        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(lambda batch: runtime.run_named(image=batch), batches))
        for outputs, wanted in zip(results, expected, strict=True):
            assert_equal(outputs, wanted)

    def test_closed_runtime_raises(self, runtime: AnyRuntime) -> None:
        """Runs after `close` raise."""
        runtime.close()
        with pytest.raises(RuntimeUnavailableError, match="closed"):
            runtime.run_named(image=sample(runtime, 1))


class Foreign:
    """An array of another library, which offers DLPack and nothing else."""

    def __init__(self, array: AnyArray) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def sample(runtime: AnyRuntime, count: int, seed: int = 0) -> UInt8Array:
    """Draws inputs for an opened network: uint8 `[count, H, W, 3]`."""
    _, height, width, _ = runtime.artifact.inputs[0].shape
    return draw_masked_faces(count, height or OPEN_SIDES[0], width or OPEN_SIDES[1], seed)


def assert_equal(outputs: Mapping[str, AnyArray], expected: Mapping[str, AnyArray]) -> None:
    """Asserts that two sets of outputs are equal, bit for bit."""
    assert outputs.keys() == expected.keys()
    for name, output in outputs.items():
        np.testing.assert_array_equal(output, expected[name], name)


class TestUnmasker(RuntimeConformance):
    """The suite on the unmasker, on the runtime that the command line names."""

    @pytest.fixture
    def runtime(self, options: dict[str, Any]) -> Iterator[AnyRuntime]:
        """The runtime under test."""
        with open_runtime(**options) as opened:
            yield opened


class TestLocator(LocatorConformance):
    """The suite on detector and aligner, on the runtime that the command line names."""

    @pytest.fixture(params=["detector", "aligner"])
    def runtime(
        self, request: pytest.FixtureRequest, options: dict[str, Any]
    ) -> Iterator[AnyRuntime]:
        """The runtime under test."""
        name = options["runtime"]
        if name != "auto" and request.param not in find_runtime(name).roles:
            pytest.skip(f"the entry of {name} does not name the role {request.param}")
        # Name and precision are the unmasker's.
        other = {key: options[key] for key in ("runtime", "device", "artifacts")}
        with open_runtime(request.param, **other) as opened:
            yield opened


class CommandLine:
    """A pytest plugin that provides the options of the command line."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._values = options

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """Arguments of `open_runtime`."""
        return self._values


def main() -> int:
    """Runs the suite on one runtime, and returns the exit code: 0 if every test passes."""
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
    # Without the settings and the conftest.py of a project that it is installed in.
    isolated = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest"]
    return int(
        pytest.main(
            [__file__, "-q", *isolated, "-p", "no:cacheprovider"], plugins=[CommandLine(options)]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
