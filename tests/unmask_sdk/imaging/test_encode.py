"""Writing images: what is kept, what is refused, and never a part of a file."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sample_files import off
from unmask_sdk.errors import ImageReadError, ImageWriteError, InvalidInputError
from unmask_sdk.imaging.decode import Extras, read_photo
from unmask_sdk.imaging.encode import OUTPUT_FORMATS, copy_image, encode_image, write_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 30, 3), np.uint8)
ALPHA = RNG.integers(0, 255, (20, 30), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


NO_HEIF = pytest.mark.skipif(find_spec("pillow_heif") is None, reason="needs pillow-heif")
WRITABLE = [
    pytest.param(suffix, marks=NO_HEIF if form.name == "HEIF" else ())
    for suffix, form in OUTPUT_FORMATS.items()
]


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x0112] = 1
    tags[0x0213] = 1  # Belongs to JPEG alone.
    tags[0x8769] = {0x9003: "2020:01:02 03:04:05"}
    tags[0x8825] = {1: "N"}
    return b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("suffix", WRITABLE)
def test_written_image_is_read_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    write_image(path, PIXELS, Extras(exif=exif(), icc=SRGB))
    photo = read_photo(path)
    if OUTPUT_FORMATS[suffix].lossy:
        assert photo.pixels.shape == PIXELS.shape
    else:
        np.testing.assert_array_equal(photo.pixels, PIXELS)
    if OUTPUT_FORMATS[suffix].metadata:
        assert photo.extras.icc == SRGB
        kept = Image.Exif()
        kept.load(photo.extras.exif)
        assert kept[0x010F] == "Maker"
        assert kept.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert kept.get_ifd(0x8825)[1] == "N"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_alpha_is_kept_or_composited_on_white(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, PIXELS, Extras(alpha=ALPHA))
    photo = read_photo(path)
    if OUTPUT_FORMATS[suffix].alpha:
        assert photo.extras.alpha is not None
        # AVIF and HEIC compress transparency, too.
        loss = 3 if OUTPUT_FORMATS[suffix].name in ("AVIF", "HEIF") else 0
        assert off(photo.extras.alpha, ALPHA) <= loss
    else:
        assert photo.extras.alpha is None
        share = ALPHA[..., None] / 255
        wanted = PIXELS * share + 255 * (1 - share)
        error = np.abs(photo.pixels - wanted)
        assert error.mean() < (12 if OUTPUT_FORMATS[suffix].lossy else 1)


def test_jpeg_keeps_full_color_resolution_and_has_a_quality(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", PIXELS)
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
    write_image(tmp_path / "b.jpg", PIXELS, quality=30)
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "a.jpg").stat().st_size
    write_image(tmp_path / "d.jpg", PIXELS, quality=np.int64(30))
    assert (tmp_path / "d.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    for quality in (0, 101, "a", 9.5, None, True, np.float32(90)):
        with pytest.raises(InvalidInputError, match="quality"):
            write_image(tmp_path / "c.jpg", PIXELS, quality=quality)


@pytest.mark.parametrize("suffix", WRITABLE)
def test_encoded_bytes_equal_the_file(suffix: str, tmp_path: Path) -> None:
    extras = Extras(ALPHA, exif(), SRGB)
    for strip in (False, True):
        write_image(
            tmp_path / f"a{suffix}", PIXELS, extras, quality=70, generated=True, strip=strip
        )
        for name in (suffix[1:], suffix[1:].upper()):
            content = encode_image(name, PIXELS, extras, quality=70, generated=True, strip=strip)
            assert content == (tmp_path / f"a{suffix}").read_bytes()


def test_impossible_encodings_are_refused() -> None:
    for name in ("gif", "..png", "", None):
        with pytest.raises(ImageWriteError, match=r"no format .*as jpg, jpeg, png"):
            encode_image(name, PIXELS)
    with pytest.raises(ImageWriteError, match="the image: WEBP can have at most"):
        encode_image("webp", np.zeros((1, 66_000, 3), np.uint8))
    with pytest.raises(InvalidInputError, match="quality"):
        encode_image("png", PIXELS, quality=0)


def test_exif_too_long_for_jpeg_is_left_out(tmp_path: Path) -> None:
    extras = Extras(exif=exif() + bytes(70_000))
    write_image(tmp_path / "a.jpg", PIXELS, extras)
    assert read_photo(tmp_path / "a.jpg").extras.exif is None
    write_image(tmp_path / "a.png", PIXELS, extras)
    assert read_photo(tmp_path / "a.png").extras.exif is not None


def test_exif_does_not_break_a_tiff(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags.load(exif())
    # Storage tags that the EXIF block of a JPEG may have.
    for tag, value in ((0x100, 7), (0x101, 7), (0x103, 6), (0x106, 6), (0x111, 3), (0x117, 3)):
        tags[tag] = value
    write_image(tmp_path / "a.tif", PIXELS, Extras(exif=b"Exif\0\0" + tags.tobytes()))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, PIXELS)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(6, 200), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_exif_does_not_prevent_writing(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    block = bytearray(exif())
    for place, value in changes:
        block[place % len(block)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.tif"
    write_image(path, PIXELS, Extras(exif=bytes(block)))
    np.testing.assert_array_equal(read_photo(path).pixels, PIXELS)


@pytest.mark.parametrize("name", ["a", "a.gif", "a.jxl", "a.jpg.txt", ".png"])
def test_other_extensions_are_refused_with_the_list(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match=r"\.jpg, .*\.webp"):
        write_image(tmp_path / name, PIXELS)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_size_beyond_the_format_is_refused(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match="at most"):
        write_image(tmp_path / f"a{suffix}", np.zeros((1, 66_000, 3), np.uint8))
    assert not os.listdir(tmp_path)


def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_image(path, PIXELS)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageWriteError, match="No space left"):
        write_image(path, PIXELS[::2])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


def test_unwritable_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match="there is no folder"):
        write_image(tmp_path / "none" / "a.png", PIXELS)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ImageWriteError, match="cannot write"):
        write_image(tmp_path / "file" / "a.png", PIXELS)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageWriteError, match="cannot write"):
        write_image(tmp_path / "folder.png", PIXELS)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


def test_locked_folder_is_named(locked: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match=f"the folder {locked} is not writable"):
        write_image(locked / "a.png", PIXELS)
    write_image(tmp_path / "a.png", PIXELS)
    with pytest.raises(ImageWriteError, match=f"the folder {locked} is not writable"):
        copy_image(tmp_path / "a.png", locked / "a.png")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    write_image(tmp_path / "a.png", PIXELS)
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_link_is_replaced_and_its_target_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.png").write_bytes(b"mine")
    try:
        (tmp_path / "a.png").symlink_to(tmp_path / "elsewhere.png")
    except OSError:
        pytest.skip("no symbolic links here")
    write_image(tmp_path / "a.png", PIXELS)
    assert (tmp_path / "elsewhere.png").read_bytes() == b"mine"
    assert not (tmp_path / "a.png").is_symlink()


def test_invalid_path_is_refused() -> None:
    with pytest.raises(ImageWriteError, match="not a valid path"):
        write_image("a\0.png", PIXELS)


def test_copy_is_identical_and_replaces_atomically(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", PIXELS, quality=20)
    write_image(tmp_path / "b.jpg", PIXELS)
    copy_image(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    with pytest.raises(ImageReadError, match="cannot be read"):
        copy_image(tmp_path / "gone.jpg", tmp_path / "b.jpg")
    with pytest.raises(ImageWriteError, match="there is no folder"):
        copy_image(tmp_path / "a.jpg", tmp_path / "gone" / "b.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]
