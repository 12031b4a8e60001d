"""Reading images: every color mode of a file is converted to the right 8-bit RGB."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sample_files import PICTURE, encoded, off, profile
from unmask_sdk.errors import ImageReadError
from unmask_sdk.imaging.decode import read_photo

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "1", "RGBA", "YCbCr", "CMYK", "LAB"])
def test_modes_become_rgb(mode: str) -> None:
    gray = Image.fromarray(PICTURE).convert("L")
    sources = {
        "LA": lambda: Image.merge("LA", (gray, gray)),
        "PA": lambda: Image.fromarray(PICTURE).convert("P").convert("PA"),
        "LAB": lambda: ImageCms.profileToProfile(
            Image.fromarray(PICTURE),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        ),
    }
    image = sources.get(mode, lambda: Image.fromarray(PICTURE).convert(mode))()
    assert image.mode == mode
    photo = read_photo(image)
    assert photo.pixels.shape == PICTURE.shape
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    if mode in ("RGBA", "YCbCr", "CMYK"):
        assert off(photo.pixels, PICTURE) <= 4
    if mode == "LAB":  # Rounded to 8 bits, which costs dark saturated colors most.
        assert np.abs(photo.pixels.astype(int) - PICTURE).mean() < 4
    if mode in ("L", "LA"):
        np.testing.assert_array_equal(photo.pixels, np.dstack([np.array(gray)] * 3))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_files(form: str) -> None:
    image = Image.fromarray(PICTURE).convert("CMYK")
    assert off(read_photo(encoded(image, form)).pixels, PICTURE) < 12


def test_gray_is_converted_by_its_profile() -> None:
    linear = profile(b"GRAY", b"kTRC", b"curv\0\0\0\0\0\0\0\0", b"XYZ ")
    gray = Image.fromarray(np.array([[0, 55, 255]], np.uint8))
    photo = read_photo(encoded(gray, "PNG", icc_profile=linear))
    # 55 of 255 in linear light is half of the range in sRGB.
    assert photo.pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert photo.extras.icc is None
    alpha = Image.merge("LA", (gray, Image.new("L", gray.size, 9)))
    photo = read_photo(encoded(alpha, "PNG", icc_profile=linear))
    assert photo.pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert photo.extras.alpha is not None


def test_cmyk_is_converted_by_its_profile() -> None:
    # A press with four gray inks: each takes a quarter of the lightness.
    lightness = [
        [255 - 255 * (c + m + y + k) // 4, 128, 128] for c, m, y, k in np.ndindex(2, 2, 2, 2)
    ]
    ramp = bytes(range(256))
    one = struct.pack(">9i", *(np.eye(3, dtype=int) * 65536).ravel().tolist())
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + one + ramp * 4
    lut += np.array(lightness, np.uint8).tobytes() + ramp * 3
    press = profile(b"CMYK", b"A2B0", lut, b"Lab ")
    image = Image.fromarray(np.array([[[0] * 4, [255, 0, 0, 0], [0, 0, 255, 0]]], np.uint8), "CMYK")
    white, cyan, yellow = (
        read_photo(encoded(image, "TIFF", icc_profile=press)).pixels[0].astype(int)
    )
    assert white.min() > 250
    assert np.ptp(cyan) <= 3
    assert off(cyan, yellow) <= 1
    assert read_photo(encoded(image, "TIFF")).pixels[0, 1].tolist() == [0, 255, 255]


def test_profile_of_another_color_space_is_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = Image.fromarray(PICTURE).convert("L")
    photo = read_photo(encoded(gray, "PNG", icc_profile=srgb))
    assert photo.extras.icc is None
    np.testing.assert_array_equal(photo.pixels[..., 0], np.array(gray))
    photo = read_photo(encoded(Image.fromarray(PICTURE), "PNG", icc_profile=srgb))
    assert photo.extras.icc == srgb


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_is_scaled(form: str) -> None:
    wide = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    data = b"P5 60 40 65535\n" + wide.astype(">u2").tobytes()
    photo = read_photo(data if form == "PPM" else encoded(Image.fromarray(wide), form))
    assert off(photo.pixels, np.dstack([np.rint(wide / 257)] * 3)) <= 0
    assert photo.notes == ("16 bits per channel were reduced to 8",)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_color_is_scaled(suffix: str, channels: int, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    wide = RNG.integers(0, 65536, (20, 30, channels), np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), wide)
    photo = read_photo(tmp_path / f"a{suffix}")
    assert off(photo.pixels, np.rint(wide[..., 2::-1] / 257)) <= 1
    assert photo.notes == ("16 bits per channel were reduced to 8",)
    if channels == 4:
        assert photo.extras.alpha is not None
        assert off(photo.extras.alpha, np.rint(wide[..., 3] / 257)) <= 1


def test_transparent_value_of_16_bit_gray_is_kept() -> None:
    wide = np.array([[0, 257 * 5, 65535]], np.uint16)
    photo = read_photo(encoded(Image.fromarray(wide), "PNG", transparency=257 * 5))
    assert photo.extras.alpha is not None
    assert photo.extras.alpha.tolist() == [[255, 0, 255]]


def test_32_bit_pixels_are_refused() -> None:
    for dtype in (np.int32, np.float32):
        data = encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF")
        with pytest.raises(ImageReadError, match="32-bit pixels"):
            read_photo(data)


def test_alpha_is_kept_and_full_opacity_is_none() -> None:
    alpha = RNG.integers(0, 256, (40, 60), np.uint8)
    photo = read_photo(Image.fromarray(np.dstack([PICTURE, alpha])))
    np.testing.assert_array_equal(photo.extras.alpha, alpha)
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    assert read_photo(Image.fromarray(PICTURE).convert("RGBA")).extras.alpha is None
    palette = Image.fromarray(PICTURE).convert("P")
    photo = read_photo(encoded(palette, "PNG", transparency=palette.getpixel((9, 9))))
    clear = np.array(palette) == palette.getpixel((9, 9))
    np.testing.assert_array_equal(photo.extras.alpha, np.where(clear, 0, 255))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM", "GIF", "JPEG"])
def test_8_bits_have_no_note(form: str) -> None:
    assert read_photo(encoded(Image.fromarray(PICTURE), form)).notes == ()


def test_16_bit_pixmaps_are_noted() -> None:
    wide = np.dstack([np.linspace(0, 65535, 40 * 60).reshape(40, 60)] * 3).astype(">u2")
    photo = read_photo(b"P6 60 40 65535\n" + wide.tobytes())
    assert photo.notes == ("16 bits per channel were reduced to 8",)
