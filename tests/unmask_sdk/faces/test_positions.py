"""Photos that lie on their side or upside down, without EXIF that reports it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.faces.positions import locate_in_positions
from unmask_sdk.imaging.decode import read_photo

EXAMPLES = Path(__file__).parents[3] / "examples"
# `np.rot90` to the left by 90 degrees, and to the right.
LIES = {1: "on its left side", 3: "on its right side"}


@pytest.mark.parametrize("turns", LIES)
def test_photo_on_its_side(turns: int) -> None:
    pytest.importorskip("onnxruntime")
    upright = read_photo(EXAMPLES / "surgical.jpg").pixels
    lying = np.ascontiguousarray(np.rot90(upright, turns))
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        (wanted,) = model(upright).faces
        result = model(lying)
        (face,) = result.faces
        (again,), _ = locate_in_positions(cv2.flip(lying, -1), model.locator)
    assert face.masked
    assert any(LIES[turns] in note for note in result.notes)
    np.testing.assert_allclose(face.crop.astype(int), wanted.crop, atol=12)
    assert result.image.shape == lying.shape
    height, width = lying.shape[:2]
    ends = np.array([width - 1, height - 1])
    np.testing.assert_allclose(ends - again.eyes, face.eyes, atol=4)


def test_photo_upside_down() -> None:
    pytest.importorskip("onnxruntime")
    # So small that no face is found upside down.
    upright = np.asarray(
        cv2.resize(read_photo(EXAMPLES / "surgical.jpg").pixels, (60, 60)), np.uint8
    )
    turned = np.ascontiguousarray(np.rot90(upright, 2))
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        assert not model.locator(turned)
        wanted, result = model(upright), model(turned)
    assert wanted.notes == ()
    (note,) = result.notes
    assert note.endswith("it seems to lie upside down")
    np.testing.assert_allclose(result.faces[0].crop.astype(int), wanted.faces[0].crop, atol=12)


def test_upright_photos_stay() -> None:
    pytest.importorskip("onnxruntime")
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        for path in EXAMPLES.glob("*.jpg"):
            assert model(path).notes == ()


@pytest.mark.parametrize("name", ["chelsea", "coins", "page"])
def test_what_is_no_face_lies_nowhere(name: str) -> None:
    pytest.importorskip("onnxruntime")
    data = pytest.importorskip("skimage.data")
    picture = getattr(data, name)()
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        for turns in range(4):
            lying = np.ascontiguousarray(np.rot90(picture, turns))
            assert model(lying).notes == ()


def test_nothing_is_nowhere() -> None:
    pytest.importorskip("onnxruntime")
    with unmask_sdk.load(model="unmask-256-lite", threads=1) as model:
        result = model(np.zeros((90, 120, 3), np.uint8))
    assert result.faces == ()
    assert result.notes == ()
