"""What is done with a result: saved, encoded, drawn."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.errors import InvalidInputError

EYES = np.array([[250.0, 95.0], [310.0, 98.0]])


@pytest.fixture
def photo(painter, backdrop):
    return painter(backdrop, EYES)


def test_what_is_drawn_of_a_box_far_beyond_the_picture(painted_model, photo):
    result = painted_model(photo)
    # What the shipped networks make of boxes=[[-1e12, -1e12, 1e12, 1e12]].
    far = replace(result.faces[0], box=(-1e12, -1e12, 1e12, 1e12), eyes=EYES * 1e11)
    drawn = replace(result, faces=(far,)).overlay()
    assert drawn.shape == photo.shape


@pytest.mark.parametrize("path", [None, 123, b"a.png"])
def test_a_result_is_saved_to_a_path(painted_model, photo, path):
    with pytest.raises(InvalidInputError, match=f"path must be a path; got {path}"):
        painted_model(photo).save(path)


def test_an_open_file_is_told_to_take_the_bytes(painted_model, photo):
    with pytest.raises(InvalidInputError, match=r"path must be a path.*write\(result\.encode\("):
        painted_model(photo).save(io.BytesIO())
    assert painted_model(photo).encode(".png") == painted_model(photo).encode("png")


def test_pictures_for_notebooks_and_for_debugging(painted_model, photo):
    result = painted_model(photo)
    before = result.image.copy()
    drawn = result.overlay()
    np.testing.assert_array_equal(result.image, before)
    assert drawn.shape == photo.shape
    assert 0.001 < (drawn != result.image).any(-1).mean() < 0.2
    for shown, size in ((result, (640, 480)), (result.faces[0], (512, 256))):
        with Image.open(io.BytesIO(shown._repr_png_())) as image:
            assert image.format == "PNG"
            assert image.size == size
