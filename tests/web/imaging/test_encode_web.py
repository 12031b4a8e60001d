"""Image files that the page writes, read by Pillow: pixels, and the notice of generated regions."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.imaging import xmp
from unmask_sdk.imaging.encode import encode_image
from web_calls import Flat

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[3] / "examples/surgical.jpg"
ENCODING = "../tests/encoding.js"
TYPES = ["image/png", "image/jpeg", "image/webp"]
RNG = np.random.default_rng(0)


def photo(width, height, channels=3):
    """Smooth colors and some noise: every filter of PNG has rows where it is best."""
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 3 % 256, y * 2 % 256, (x + y) % 256, (x * y) % 256], -1)
    return (base + RNG.integers(0, 9, base.shape)).astype(np.uint8)[..., :channels].copy()


@pytest.fixture(scope="module")
def encode(call):
    def run(image, type, **options):
        found = call(
            ENCODING, "encodeRaster", image, {"type": type, "colorSpace": "srgb"} | options
        )
        assert found["type"] == type
        return found["content"].tobytes()

    return run


def decoded(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def packets(content):
    return content.count(xmp.GENERATED.encode())


def test_the_packet_is_that_of_the_package(call):
    expected = xmp.build_packet(None, generated=True).decode()
    assert call.constant("imaging/xmp.js", "PACKET") == expected


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (257, 130), (40, 1)])
@pytest.mark.parametrize("type", TYPES)
def test_the_notice_is_found(encode, size, type):
    content = encode(photo(*size), type, generated=True)
    image = decoded(content)
    assert (image.size, Image.MIME[image.format]) == (size, type)
    assert xmp.read_packet(image) == xmp.build_packet(None, generated=True)
    assert packets(content) == 1


@pytest.mark.parametrize("type", TYPES)
def test_without_a_generated_region_there_is_no_notice(encode, type):
    content = encode(photo(30, 20), type)
    assert decoded(content).size == (30, 20)
    assert packets(content) == 0


@pytest.mark.parametrize("channels", [3, 4])
def test_png_has_exactly_the_pixels(encode, channels):
    image = photo(301, 213, channels)
    content = encode(image, "image/png", generated=True)
    found = decoded(content)
    assert found.mode == ("RGB" if channels == 3 else "RGBA")
    np.testing.assert_array_equal(np.asarray(found), image)


def test_chunks_of_png_have_right_checksums(encode):
    content = encode(photo(50, 40), "image/png", generated=True, colorSpace="display-p3")
    at, names = 8, []
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(
            content[at + 8 + length : at + 12 + length], "big"
        )
        names.append(body[:4].decode())
        at += 12 + length
    assert names == ["IHDR", "cICP", "iTXt", "IDAT", "IEND"]


def test_png_is_about_as_small_as_pillows(encode):
    with Image.open(EXAMPLE) as example:
        image = np.asarray(example)
    assert len(encode(image, "image/png")) < 1.05 * len(encode_image("png", image))


@pytest.mark.parametrize(("type", "minimum"), [("image/jpeg", 30), ("image/webp", 30)])
def test_lossy_files_are_close(encode, type, minimum):
    with Image.open(EXAMPLE) as example:
        image = np.asarray(example)
    sizes = []
    for quality in (0.5, 0.95):
        content = encode(image, type, quality=quality, generated=True)
        sizes.append(len(content))
        error = np.asarray(decoded(content).convert("RGB")) - image.astype(float)
        assert 10 * np.log10(255**2 / np.square(error).mean()) > minimum
    assert sizes[0] < 0.6 * sizes[1]


def test_webp_keeps_transparency(encode):
    image = photo(64, 48, 4)
    image[..., 3] = np.arange(64) * 4
    for quality in (0.9, 1):
        content = encode(image, "image/webp", generated=True, quality=quality)
        found = decoded(content)
        assert found.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(found)[..., 3], image[..., 3])
        assert xmp.read_packet(found) is not None


def test_jpeg_is_composited_on_white_as_in_the_package(encode, call):
    image = photo(64, 48, 4)
    flat = call("imaging/encode.js", "compositeOnWhite", Flat(image))
    white = Image.new("RGB", (64, 48), "white")
    alpha = Image.fromarray(image[..., 3])
    expected = Image.composite(Image.fromarray(image[..., :3]), white, alpha)
    np.testing.assert_array_equal(flat.reshape(48, 64, 4)[..., :3], np.asarray(expected))
    found = np.asarray(decoded(encode(np.zeros((16, 16, 4), np.uint8), "image/jpeg")))
    assert found.min() >= 254


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "image/gif"}, 'type must be one of image/png, .* got "image/gif"'),
        ({"quality": 95}, "quality must be a number from 0 to 1, got 95"),
        ({"quality": None}, "quality must be a number from 0 to 1, got null"),
    ],
)
def test_wrong_options_are_named(call, options, message):
    with pytest.raises(Exception, match=f"InvalidInputError: {message}"):
        call(ENCODING, "encodeRaster", photo(4, 4), {"colorSpace": "srgb"} | options)


def test_a_format_that_cannot_hold_the_size_is_named(call):
    with pytest.raises(
        Exception, match=r"ImageWriteError: image/webp can .* 16384x1; use image/png"
    ):
        call(ENCODING, "encodeWide", 16_384, "image/webp")


def test_the_segment_of_xmp_follows_that_of_jfif(encode):
    content = encode(photo(20, 10), "image/jpeg", generated=True)
    markers = []
    at = 2
    while content[at + 1] != 0xDA:
        markers.append(content[at + 1])
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    assert markers[:2] == [0xE0, 0xE1]
    assert all(a <= 0xE1 or b != 0xE1 for a, b in pairwise(markers))
