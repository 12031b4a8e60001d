"""HEIC and AVIF: read upright with their metadata, and written like JPEG."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

import unmask_sdk.imaging.heif as heif
from sample_files import PICTURE, encoded, off
from unmask_sdk.errors import ImageReadError, ImageWriteError
from unmask_sdk.imaging.decode import Extras, read_photo, stored_format
from unmask_sdk.imaging.encode import encode_image, output_format
from unmask_sdk.imaging.xmp import GENERATED

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = [
    pytest.param(
        "avif", marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
    ),
    "heic",
]


def heic(image: Image.Image | None = None, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    file = pillow_heif.from_pillow(image or Image.fromarray(PICTURE))
    file.save(stream, quality=95, subsampling="4:4:4", **options)
    return stream.getvalue()


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "Maker"
    return b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("form", FORMATS)
def test_everything_is_written_and_read_back(form: str) -> None:
    if form == "heic":
        pytest.importorskip("pillow_heif")
    alpha = PICTURE[..., 0]
    extras = Extras(alpha=alpha, exif=exif(), icc=SRGB)
    data = encode_image(form, PICTURE, extras, generated=True)
    photo = read_photo(data)
    assert off(photo.pixels, PICTURE) <= 6
    assert photo.extras.alpha is not None
    assert off(photo.extras.alpha, alpha) <= 6
    assert photo.extras.icc == SRGB
    assert GENERATED.encode() in (photo.extras.xmp or b"")
    tags = Image.Exif()
    tags.load(photo.extras.exif)
    assert tags[0x010F] == "Maker"
    assert photo.notes == ()
    assert stored_format(data) == {"heic": "HEIF", "avif": "AVIF"}[form]
    stripped = encode_image(form, PICTURE, extras, strip=True)
    assert b"Maker" not in stripped
    assert read_photo(stripped).extras.icc == SRGB


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMATS)
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    block = exif(orientation)
    image = Image.fromarray(PICTURE)
    if form == "heic":
        data = heic(image, exif=block)
    else:
        data = encoded(image, "AVIF", exif=block, quality=95, subsampling="4:4:4")
    jpeg = read_photo(encoded(image, "JPEG", exif=block, quality=95, subsampling="4:4:4"))
    photo = read_photo(data)
    assert off(photo.pixels, jpeg.pixels) <= 9
    again = read_photo(encode_image(form, photo.pixels, photo.extras))
    assert off(again.pixels, photo.pixels) <= 6


def test_more_than_8_bits_and_color_of_heic_are_told() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    wide = PICTURE.astype(np.uint16) * 257
    pillow_heif.from_bytes("RGB;16", (60, 40), wide.tobytes()).save(stream, quality=95)
    photo = read_photo(stream.getvalue())
    assert photo.notes == ("10 bits per channel were reduced to 8",)
    described = read_photo(heic(color_primaries=12, transfer_characteristic=13))
    assert described.extras.color == ((b"cICP", bytes((12, 13, 0, 1))),)
    assert b"cICP" in encode_image("png", described.pixels, described.extras)


def test_several_images_are_refused() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    file = pillow_heif.from_pillow(Image.fromarray(PICTURE))
    file.add_from_pillow(Image.fromarray(PICTURE[::-1]))
    file.save(stream)
    with pytest.raises(ImageReadError, match=r"has 2 images \(an animation or pages\)"):
        read_photo(stream.getvalue())


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_animated_avif_is_refused() -> None:
    image, other = Image.fromarray(PICTURE), Image.fromarray(PICTURE[::-1])
    with pytest.raises(ImageReadError, match="has 2 images"):
        read_photo(encoded(image, "AVIF", save_all=True, append_images=[other]))


def test_without_pillow_heif_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As if it were not installed: the real check, with no package of the name.
    monkeypatch.setattr(heif, "HEIC", heif.HEIC.__class__(("no_such_heif",), "heif"))
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ImageReadError, match=r"a\.heic is a HEIC, which needs.*\[heif\]"):
        read_photo(tmp_path / "a.heic")
    with pytest.raises(ImageWriteError, match=r"b\.heic cannot be written.*\[heif\]"):
        output_format(tmp_path / "b.heic")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6), st.integers(1, 900)
)
def test_damaged_files_give_one_error(changes: list[tuple[int, int]], length: int) -> None:
    for whole in (heic(), encoded(Image.fromarray(PICTURE), "AVIF")):
        data = bytearray(whole[:length] if length < 600 else whole)
        for place, value in changes:
            data[place % len(data)] = value
        with contextlib.suppress(ImageReadError):
            read_photo(bytes(data))
