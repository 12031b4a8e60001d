"""What is done with a result: saved, encoded, drawn."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import cv2
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


def test_a_result_is_plain_data(painted_model, photo):
    result = painted_model(photo)
    data = json.loads(json.dumps(result.to_dict()))
    assert data["size"] == [photo.shape[1], photo.shape[0]]
    assert data["timings"] == result.timings
    assert data["notes"] == list(result.notes)
    (face,), (described,) = result.faces, data["faces"]
    assert described["box"] == list(face.box)
    assert described["masked"] is True
    np.testing.assert_array_equal(described["eyes"], face.eyes)
    np.testing.assert_array_equal(described["matrix"], face.matrix)


SHOW = """
import cv2, unmask_sdk
result = unmask_sdk.Result(cv2.imread("photo.png")[..., ::-1].copy(), (), {})
try:
    result.show()
except unmask_sdk.MissingDependencyError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux finds a viewer by its name")
@pytest.mark.parametrize("viewer", [True, False])
def test_show_opens_a_viewer_or_names_what_is_missing(photo, tmp_path, viewer):
    cv2.imwrite(str(tmp_path / "photo.png"), photo[..., ::-1])
    if viewer:
        program = tmp_path / "xdg-open"
        program.write_text(f'#!/bin/sh\n/bin/cp "$1" {tmp_path}/part && mv part shown.png\n')
        program.chmod(0o755)
    # IPython, where it is installed, is a viewer too: it prints.
    code = "import sys; sys.modules['IPython'] = None\n" + SHOW
    environment = {**os.environ, "PATH": f"{tmp_path}:/bin" if viewer else str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    shown = tmp_path / "shown.png"
    if not viewer:
        assert "use result.save('unmasked.png')" in done.stdout
        return
    assert not done.stdout
    for _ in range(100):
        if shown.exists():
            break
        time.sleep(0.1)
    np.testing.assert_array_equal(cv2.imread(str(shown))[..., ::-1], photo)
