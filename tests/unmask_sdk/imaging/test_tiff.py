"""TIFF and camera raw: the pixels are those that the tags describe, or the file is refused."""

from __future__ import annotations

import io
import logging
import struct
import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sample_files import PICTURE, off
from unmask_sdk.errors import ImageReadError
from unmask_sdk.imaging.decode import read_photo
from unmask_sdk.imaging.tiff import is_raw, read_directories

tifffile = pytest.importorskip("tifffile")
GRAY = PICTURE[..., 2]
SIXTEEN = ("16 bits per channel were reduced to 8",)
PLANES = np.ascontiguousarray(PICTURE.transpose(2, 0, 1))


def tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("compression", "tile"), list(product((None, "zlib"), (None, (16, 16)))), ids=str
)
def test_white_is_zero(compression: str | None, tile: tuple[int, int] | None) -> None:
    options = {"compression": compression, "tile": tile, "photometric": "miniswhite"}
    for array in (255 - GRAY, wide(255 - GRAY)):
        pixels = read_photo(tiff(array, **options)).pixels
        assert off(pixels, np.dstack([GRAY] * 3)) == 0


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tile", [None, (16, 16)], ids=str)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes(order: str, tile: tuple[int, int] | None, compression: str | None) -> None:
    options = {"byteorder": order, "tile": tile, "compression": compression}
    options |= {"planarconfig": "separate", "photometric": "rgb"}
    for array, notes in ((PLANES, ()), (wide(PLANES), SIXTEEN)):
        photo = read_photo(tiff(array, **options))
        assert off(photo.pixels, PICTURE) == 0
        assert photo.notes == notes
    alpha = np.concatenate([wide(PLANES), np.full((1, 40, 60), 257 * 77, np.uint16)])
    photo = read_photo(tiff(alpha, extrasamples=["unassalpha"], **options))
    assert off(photo.pixels, PICTURE) == 0
    assert photo.extras.alpha is not None
    assert set(np.unique(photo.extras.alpha)) == {77}


def test_planes_of_a_pillow_image_are_refused() -> None:
    data = tiff(wide(PLANES), planarconfig="separate", photometric="rgb")
    with Image.open(io.BytesIO(data)) as image:
        for _ in range(2):  # Not loaded, and loaded.
            with pytest.raises(ImageReadError, match="pass the file's path"):
                read_photo(image)
            image.load()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_of_gray_and_alpha_are_refused(compression: str | None) -> None:
    options = {"planarconfig": "separate", "extrasamples": ["unassalpha"]}
    planes = np.stack([GRAY, np.full_like(GRAY, 9)])
    with pytest.raises(ImageReadError, match="separate planes are not supported"):
        read_photo(tiff(planes, photometric="minisblack", compression=compression, **options))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        ((GRAY // 2).astype(np.int8), "8-bit pixels that are signed integers"),
        (GRAY.astype(np.int16), "16-bit pixels that are signed integers"),
        (GRAY.astype(np.float32) / 255, "32-bit pixels that are floating-point numbers"),
        (GRAY.astype(np.float16) / 255, "photometric interpretation 1, 16 bits, compression 1"),
    ],
)
def test_other_numbers_are_refused(array: np.ndarray, reason: str) -> None:
    with pytest.raises(ImageReadError, match=reason):
        read_photo(tiff(array, photometric="minisblack"))


def test_white_is_zero_that_pillow_does_not_know_is_refused() -> None:
    data = tiff(wide(GRAY), photometric="miniswhite", byteorder=">")
    with pytest.raises(ImageReadError, match=r"interpretation 0, 16 bits.*save it as RGB"):
        read_photo(data)


def test_12_bits_have_their_own_white() -> None:
    values = np.linspace(0, 4095, 40 * 60).astype(np.uint16).reshape(40, 60)
    high, low = values[:, ::2], values[:, 1::2]
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], 2).astype(np.uint8)
    tags = {256: 60, 257: 40, 258: 12, 259: 1, 262: 1, 273: 200, 277: 1, 278: 40, 279: packed.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    photo = read_photo(head.ljust(200, b"\0") + packed.tobytes())
    assert off(photo.pixels, np.dstack([np.rint(values / 4095 * 255)] * 3)) <= 1
    assert photo.notes == ("12 bits per channel were reduced to 8",)


def preview(*, dng: bool = False, sensor: bool = False, reduced: bool = True) -> bytes:
    """A file as cameras write it: the first image is a preview, the photo a sub-image."""
    stream = io.BytesIO()
    version = [(50706, "B", 4, (1, 4, 0, 0), True)] if dng else []
    with tifffile.TiffWriter(stream) as file:
        file.write(PICTURE[::4, ::4], subifds=1, subfiletype=int(reduced), extratags=version)
        kind = 32803 if sensor else "minisblack"
        file.write(wide(GRAY), subfiletype=0, photometric=kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        preview(dng=True),
        preview(sensor=True),
        preview(sensor=True, reduced=False),
        b"II*\0\x10\0\0\0CR\2\0".ljust(64, b"\0"),
        b"FUJIFILMCCD-RAW 0201".ljust(64, b"\0"),
        b"IIRO\x08\0\0\0".ljust(64, b"\0"),
        b"IIU\0\x18\0\0\0".ljust(64, b"\0"),
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom".ljust(64, b"\0"),
    ],
    ids=["dng", "sensor", "not-marked", "cr2", "raf", "orf", "rw2", "cr3"],
)
def test_camera_raw_is_refused(data: bytes) -> None:
    with pytest.raises(ImageReadError, match="camera raw file: develop it first"):
        read_photo(data)


def test_preview_of_a_larger_image_is_refused() -> None:
    with pytest.raises(ImageReadError, match="15x10, is a preview of another of 60x40"):
        read_photo(preview())


def test_smaller_copies_are_no_pages() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(PICTURE, photometric="rgb", subifds=1, metadata=None)
        file.write(PICTURE[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(PICTURE[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    assert off(read_photo(stream.getvalue()).pixels, PICTURE) == 0
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(PICTURE, photometric="rgb", metadata=None)
        file.write(PICTURE[::4, ::4], photometric="rgb", metadata=None)
    with pytest.raises(ImageReadError, match="has 2 images"):
        read_photo(stream.getvalue())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), st.integers(0, 1))
def test_damaged_directories_do_no_harm(changes: list[tuple[int, int]], big: int) -> None:
    data = bytearray(preview(dng=True) if not big else tiff(PICTURE, bigtiff=True))
    for place, value in changes:
        data[place % len(data)] = value
    file = io.BytesIO(bytes(data))
    pages, inner = read_directories(file)
    assert len(pages) + len(inner) <= 64
    is_raw(file)


def test_what_libtiff_prints_about_damage_is_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(tiff(PICTURE, photometric="rgb", compression="zlib"))
    (start,) = Image.open(io.BytesIO(data)).tag_v2[273]  # type: ignore[attr-defined]
    data[start] ^= 0xFF
    with caplog.at_level(logging.DEBUG, "unmask_sdk.third_party"), pytest.raises(ImageReadError):
        read_photo(bytes(data))
    assert "unknown compression method" in caplog.text or "incorrect header" in caplog.text
    assert capfd.readouterr().err == ""


def test_what_pillow_logs_is_not_printed(tmp_path: Any) -> None:
    data = bytearray(tiff(PICTURE, photometric="rgb"))
    place = data.index(struct.pack("<HHI", 277, 3, 1))
    data[place + 8 : place + 10] = struct.pack("<H", 2048)
    (tmp_path / "a.tif").write_bytes(data)
    code = (
        "import sys; from unmask_sdk.imaging.decode import read_photo\n"
        "try: read_photo(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__)"
    )
    line = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ImageReadError\n", "")
