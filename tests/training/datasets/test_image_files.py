"""Reading and writing image files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.errors import DataError, ImageWriteError
from unmask_sdk.training.datasets.image_files import read_image, write_image


def test_images_are_read_upright_and_truncated_ones_refused(astronaut, tmp_path):
    image, _ = astronaut
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(np.rot90(image)).save(path, exif=exif, quality=95)
    assert np.abs(read_image(path).astype(int) - image).mean() < 5
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match=r"a\.jpg is cut off"):
        read_image(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.jpg is empty"):
        read_image(path)


def test_images_that_cannot_be_written_are_reported(tmp_path):
    with pytest.raises(ImageWriteError, match="70000x2"):
        write_image(tmp_path / "wide.jpg", np.zeros((2, 70_000, 3), np.uint8))
    with pytest.raises(ImageWriteError, match=r"or no such format"):
        write_image(tmp_path / "a.xyz", np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(ImageWriteError, match="cannot write"):
        write_image(tmp_path / "taken.png", np.zeros((2, 2), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]
