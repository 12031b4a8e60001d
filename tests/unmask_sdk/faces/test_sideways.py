"""Photos that lie on their side, without EXIF that reports it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.faces.sideways import locate_sideways
from unmask_sdk.imaging.decode import read_photo

PHOTO = Path(__file__).parents[3] / "examples" / "surgical.jpg"
# `np.rot90` to the left by 90 degrees, and to the right.
LIES = {1: "on its left side", 3: "on its right side"}


@pytest.mark.parametrize("turns", LIES)
def test_photo_on_its_side(turns: int) -> None:
    pytest.importorskip("onnxruntime")
    upright = read_photo(PHOTO).pixels
    lying = np.ascontiguousarray(np.rot90(upright, turns))
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        (wanted,) = model(upright).faces
        result = model(lying)
        (face,) = result.faces
        (again,), _ = locate_sideways(cv2.flip(lying, -1), model.locator)
    assert face.masked
    assert any(LIES[turns] in note for note in result.notes)
    np.testing.assert_allclose(face.crop.astype(int), wanted.crop, atol=12)
    assert result.image.shape == lying.shape
    height, width = lying.shape[:2]
    ends = np.array([width - 1, height - 1])
    np.testing.assert_allclose(ends - again.eyes, face.eyes, atol=4)


def test_nothing_is_nowhere() -> None:
    pytest.importorskip("onnxruntime")
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        result = model(np.zeros((90, 120, 3), np.uint8))
    assert result.faces == ()
    assert result.notes == ()
