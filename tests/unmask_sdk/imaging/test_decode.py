"""Reading images: files of every format, their orientation, and arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from sample_files import PICTURE, X, encoded, off
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.imaging.decode import read_photo

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_are_read_exactly(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"  # The name says nothing; the content does.
    path.write_bytes(encoded(Image.fromarray(PICTURE), form))
    photo = read_photo(path)
    assert photo.owned
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    np.testing.assert_array_equal(read_photo(str(path)).pixels, PICTURE)
    content = path.read_bytes()
    for source in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
        np.testing.assert_array_equal(read_photo(source).pixels, PICTURE)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(read_photo(file).pixels, PICTURE)
        assert not file.closed


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_are_read_closely(form: str) -> None:
    assert off(read_photo(encoded(Image.fromarray(PICTURE), form, quality=95)).pixels, PICTURE) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Maker"
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(Image.fromarray(PICTURE), form, exif=tags, **options)
    photo = read_photo(data)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(photo.pixels, upright)
    assert photo.pixels.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    kept = Image.Exif()
    kept.load(photo.extras.exif)
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "Maker"


def test_matrix_is_a_gray_image() -> None:
    matrix = np.matrix(PICTURE[..., 0])
    np.testing.assert_array_equal(read_photo(matrix).pixels, np.dstack([PICTURE[..., 0]] * 3))


def test_alpha_is_rotated_with_the_image() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    rgba = np.dstack([PICTURE, X.astype(np.uint8)])
    photo = read_photo(encoded(Image.fromarray(rgba), "PNG", exif=tags))
    np.testing.assert_array_equal(photo.extras.alpha, np.rot90(X, 3))
    np.testing.assert_array_equal(photo.pixels, np.rot90(PICTURE, 3))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_does_not_prevent_reading() -> None:
    data = encoded(Image.fromarray(PICTURE), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x00junk")
    photo = read_photo(data)
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    assert photo.extras.exif is None


def test_image_is_copied_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    for pixels in (1, 60, 60 * 7, 60 * 40):
        monkeypatch.setattr("unmask_sdk.imaging.color._BAND", pixels)
        np.testing.assert_array_equal(read_photo(Image.fromarray(PICTURE)).pixels, PICTURE)


def test_image_of_one_pixel() -> None:
    assert read_photo(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).pixels.tolist() == [
        [[255, 0, 0]]
    ]


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([3, 4]))
    )
)
def test_arrays_keep_their_values_in_either_order(array: np.ndarray) -> None:
    photo = read_photo(array)
    np.testing.assert_array_equal(photo.pixels, array[..., :3])
    mirrored = np.ascontiguousarray(array[:, ::-1])[:, ::-1]  # Not contiguous.
    np.testing.assert_array_equal(read_photo(mirrored).pixels, array[..., :3])
    turned = read_photo(array, "bgr")
    np.testing.assert_array_equal(turned.pixels, array[..., 2::-1])
    if array.shape[2] == 4:
        np.testing.assert_array_equal(photo.extras.alpha, array[..., 3])
        np.testing.assert_array_equal(turned.extras.alpha, array[..., 3])
    for each in (photo, turned):
        # Pixels that are marked as owned must not be shared.
        assert not (each.owned and np.shares_memory(each.pixels, array))


def test_gray_arrays_are_accepted() -> None:
    gray = RNG.integers(0, 256, (4, 6), np.uint8)
    for array in (gray, gray[..., None]):
        for channels in ("rgb", "bgr"):
            photo = read_photo(array, channels)  # type: ignore[arg-type]
            np.testing.assert_array_equal(photo.pixels, np.dstack([gray] * 3))
            assert not np.shares_memory(photo.pixels, array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.zeros((4, 4, 3), np.uint16), "uint8"),
        (np.zeros((4, 4, 3), bool), "uint8"),
        (np.zeros((4,), np.uint8), "shape"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.uint8), "no pixels"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_photo(array)


def test_pillow_image_is_not_changed() -> None:
    image = Image.fromarray(PICTURE)
    photo = read_photo(image)
    photo.pixels[:] = 0
    np.testing.assert_array_equal(np.array(image), PICTURE)
