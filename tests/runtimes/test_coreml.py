"""Core ML: what can be said of it anywhere, and on a Mac whether it agrees with torch."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask_sdk.core.manifest import TensorSpec, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import RuntimeUnavailableError
from unmask_sdk.runtimes.registry import find_runtime, runtime_class, why_unavailable

pytest.importorskip("coremltools")
from unmask_sdk.runtimes.coreml import UNITS, CoreMLRuntime, to_array, to_image

pytestmark = pytest.mark.engine

on_a_mac = pytest.mark.skipif(sys.platform != "darwin", reason="needs macOS")
elsewhere = pytest.mark.skipif(sys.platform == "darwin", reason="Core ML is here")


def test_the_registry_knows_it() -> None:
    entry = find_runtime("coreml")
    assert set(entry.devices) == set(UNITS)
    assert runtime_class(entry) is CoreMLRuntime


@elsewhere
def test_elsewhere_the_registry_says_why_not() -> None:
    trouble = why_unavailable(find_runtime("coreml"))
    assert trouble is not None
    assert "Core ML exists on macOS" in trouble.reason
    assert trouble.fix == (
        'run it on macOS; here use load("onnx"), --runtime onnx on the command line'
    )


def test_unknown_units_are_refused() -> None:
    entry = dataclasses.replace(find_runtime("coreml"), platforms=(sys.platform,))
    trouble = why_unavailable(entry, "npu")
    assert trouble is not None
    assert trouble.reason == "Core ML runs on all and cpu and gpu and ane, not on 'npu'"


@elsewhere
def test_elsewhere_opening_is_a_clear_error(tiny_packages: Path) -> None:
    artifact = read_manifest(tiny_packages).find(role="unmasker", formats=("coreml",))[0]
    with pytest.raises(RuntimeUnavailableError, match=r"does not open .*it needs macOS 14"):
        CoreMLRuntime(tiny_packages / artifact.file, artifact, device="all")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_pictures_go_there_and_back(height: int, width: int, seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3)).astype(np.uint8)
    picture = to_image(array)
    assert (picture.mode, picture.size) == ("RGB", (width, height))
    # Core ML's pictures have a fourth channel.
    color = TensorSpec("unmasked", "uint8", (1, height, width, 3))
    np.testing.assert_array_equal(to_array(color, picture.convert("RGBA")), array)
    gray = TensorSpec("mask", "uint8", (1, height, width, 1))
    mask = Image.fromarray(array[0, ..., 0])
    np.testing.assert_array_equal(to_array(gray, mask), array[..., :1])


def test_arrays_come_as_they_are_and_are_the_callers() -> None:
    values = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    got = to_array(TensorSpec("points", "float32", (1, 5, 2)), values)
    assert got.dtype == np.float32
    values[:] = 0
    assert got[0, 4, 1] == 9


@pytest.mark.mac
@on_a_mac
@pytest.mark.parametrize("device", UNITS)
def test_it_agrees_with_torch(tiny_packages: Path, device: str) -> None:
    from unmask_sdk.golden_vectors import iter_checks
    from unmask_sdk.loading.load import open_runtime

    try:
        opened = open_runtime(runtime="coreml", device=device, artifacts=tiny_packages)
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    images = draw_masked_faces(3, 64, 64)
    with opened:
        assert opened.info.device == device
        unmasked, mask = opened.run(images)
    outside = np.broadcast_to(mask == 0, images.shape)
    assert (unmasked[outside] == images[outside]).all()
    assert all(check.ok for check in iter_checks(tiny_packages, "coreml", device=device))
