"""Photos that Chromium decodes have the pixels that the Python package has, bit for bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from unmask_sdk.imaging.decode import read_photo
from web_calls import Flat

pytestmark = pytest.mark.browser

DECODING = "../tests/decoding.js"
EXAMPLES = Path(__file__).parents[3] / "examples"
RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (37, 53, 4), np.uint8)


def encoded(pixels, form, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


@pytest.fixture
def decode(call):
    def decode(content, name="photo"):
        return call(DECODING, "decodeFile", Flat(np.frombuffer(content, np.uint8)), name)

    return decode


def check_equal(found, content):
    expected = read_photo(content)
    np.testing.assert_array_equal(found["pixels"], expected.pixels)
    alpha = expected.extras.alpha
    if alpha is None:
        assert found["alpha"] is None
    else:
        np.testing.assert_array_equal(found["alpha"].reshape(alpha.shape), alpha)


@pytest.mark.parametrize("name", ["surgical", "cloth", "n95", "dark"])
def test_examples(decode, name):
    content = (EXAMPLES / f"{name}.jpg").read_bytes()
    check_equal(decode(content), content)


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("BMP", {}), ("GIF", {})],
)
def test_lossless_formats(decode, form, options):
    content = encoded(NOISE[..., :3], form, **options)
    check_equal(decode(content), content)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_colors_under_transparency_are_kept(decode, form):
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    content = encoded(NOISE, form, **options)
    found = decode(content)
    check_equal(found, content)
    assert found["notes"] == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(decode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(NOISE[..., :3], "JPEG", exif=exif, quality=95, subsampling=0)
    check_equal(decode(content), content)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpegs_with_odd_sides(decode, subsampling):
    smooth = np.asarray(Image.fromarray(NOISE[..., :3]).resize((211, 97), Image.Resampling.BICUBIC))
    content = encoded(smooth, "JPEG", quality=80, subsampling=subsampling, progressive=True)
    check_equal(decode(content), content)


def test_gray_and_palette_images(decode):
    for content in (
        encoded(NOISE[..., 0], "PNG"),
        encoded(NOISE[..., 0], "JPEG"),
        encoded(np.asarray(NOISE[..., 0] > 99), "PNG"),
    ):
        check_equal(decode(content), content)


def test_color_profiles_do_not_change_pixels(decode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Red and green swapped, so that nobody could overlook it if the profile were applied.
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    for form in ("PNG", "JPEG"):
        content = encoded(NOISE[..., :3], form, icc_profile=swapped)
        check_equal(decode(content), content)


def profile_named(description, version):
    """The smallest RGB profile with a description."""
    if version == 2:
        text = description.encode() + b"\0"
        tag = b"desc\0\0\0\0" + len(text).to_bytes(4, "big") + text
    else:
        text = description.encode("utf-16-be")
        record = b"enUS" + len(text).to_bytes(4, "big") + (28).to_bytes(4, "big")
        tag = b"mluc\0\0\0\0\0\0\0\1\0\0\0\x0c" + record + text
    table = b"\0\0\0\1desc" + (144).to_bytes(4, "big") + len(tag).to_bytes(4, "big")
    return bytes(16) + b"RGB " + bytes(108) + table + tag


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("version", [2, 4])
def test_color_spaces(decode, form, version):
    for description, space, notes in (
        ("sRGB IEC61966-2.1", "srgb", []),
        ("Display P3", "display-p3", []),
        ("Adobe RGB (1998)", "srgb", ['the color profile "Adobe RGB (1998)" could not be kept: ']),
    ):
        content = encoded(NOISE[..., :3], form, icc_profile=profile_named(description, version))
        found = decode(content)
        assert found["colorSpace"] == space
        assert [note.partition("colors may")[0] for note in found["notes"]] == notes


def test_damaged_profiles_are_ignored(decode):
    for profile in (b"x", bytes(200), profile_named("P3", 4)[:150]):
        found = decode(encoded(NOISE[..., :3], "PNG", icc_profile=profile))
        assert found["colorSpace"] == "srgb"


def test_sixteen_bits_are_reported(decode):
    wide = NOISE[..., 0].astype(np.uint16) * 257
    found = decode(encoded(wide, "PNG"))
    np.testing.assert_array_equal(found["pixels"][..., 0], NOISE[..., 0])
    assert found["notes"] == ["16 bits per channel were reduced to 8"]


def test_large_photos_are_read_in_parts(decode):
    wide = np.tile(NOISE[..., :3], (2, 400, 1))  # 74 x 21200: wider than one part
    content = encoded(wide, "PNG", compress_level=1)
    check_equal(decode(content), content)
    tall = np.tile(NOISE, (120, 20, 1))  # 4440 x 1060, with transparency
    content = encoded(tall, "PNG", compress_level=1)
    check_equal(decode(content), content)


def test_image_data(call):
    found = call(DECODING, "decodePixels", Flat(NOISE), 53, 37)
    np.testing.assert_array_equal(found["pixels"], NOISE[..., :3])
    np.testing.assert_array_equal(found["alpha"].reshape(37, 53), NOISE[..., 3])
    opaque = np.dstack([NOISE[..., :3], np.full((37, 53), 255, np.uint8)])
    assert call(DECODING, "decodePixels", Flat(opaque), 53, 37)["alpha"] is None


@pytest.mark.parametrize(
    "kind", ["ImageBitmap", "HTMLImageElement", "HTMLCanvasElement", "OffscreenCanvas"]
)
def test_bitmaps_and_elements(call, kind):
    content = encoded(NOISE[..., :3], "PNG")
    found = call(DECODING, "decodeThrough", kind, Flat(np.frombuffer(content, np.uint8)))
    np.testing.assert_array_equal(found["pixels"], NOISE[..., :3])
    assert found.get("stillOpen", True)


def test_video_frames_stay_open(call):
    content = encoded(NOISE[..., :3], "PNG")
    found = call(DECODING, "decodeThrough", "VideoFrame", Flat(np.frombuffer(content, np.uint8)))
    np.testing.assert_array_equal(found["pixels"], NOISE[..., :3])
    assert found["stillOpen"]


def animated(form):
    frames = [Image.fromarray(NOISE[..., :3]), Image.fromarray(NOISE[::-1, ..., :3].copy())]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


BAD = {
    "empty": (b"", r"photo\.jpg is empty \(0 bytes\)"),
    "text": (b"not an image at all", "is not an image that this browser can read: it must be JPEG"),
    "mp4": (b"\0\0\0\x20ftypisom" + bytes(99), "is a video"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(99), "is a video"),
    "gif": (animated("GIF"), r"has 2 images \(an animation\)"),
    "webp": (animated("WEBP"), r"has 2 images \(an animation\)"),
    "apng": (animated("PNG"), r"has 2 images \(an animation\)"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_files(decode, content, message):
    with pytest.raises(Exception, match=f"ImageReadError: .*{message}"):
        decode(content, "photo.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_files_that_are_cut_off(decode, form):
    whole = encoded(NOISE[..., :3], form)
    for part in (0.3, 0.7, 0.99):
        with pytest.raises(Exception, match="ImageReadError: photo is cut off or damaged"):
            decode(whole[: int(part * len(whole))])


def test_too_many_pixels(decode):
    """Refused by its header: the 900 million pixels are never decoded."""
    header = encoded(NOISE[:1, :1, :3], "PNG")
    side = (30_000).to_bytes(4, "big")
    with pytest.raises(Exception, match=r"30000x30000: that is more than the 144 million pixels"):
        decode(header[:16] + side + side + header[24:])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "InvalidInputError: the source must be a Blob or File, .* got String"),
        ("null", "InvalidInputError: the source must be .* got null"),
        ("emptyCanvas", "ImageReadError: the canvas has no pixels: it is 0x150"),
        ("emptyVideo", "ImageReadError: the video has no picture yet; wait for its event"),
        ("brokenImage", "ImageReadError: the element has no image that can be read"),
    ],
)
def test_bad_sources(call, kind, message):
    with pytest.raises(Exception, match=message):
        call(DECODING, "refuse", kind)
