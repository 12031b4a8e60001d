"""EXIF blocks: upright, without thumbnail, nothing else changed, never a crash."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sample_files import PICTURE, encoded
from unmask_sdk.imaging.decode import read_photo
from unmask_sdk.imaging.encode import write_image
from unmask_sdk.imaging.exif import PREFIX, orientation, reset_exif


@pytest.mark.parametrize("order", "<>")
def test_reset_changes_only_orientation_and_thumbnail(order: str) -> None:
    entries = [(0x010E, 2, 4, b"abc\0"), (0x0112, 3, 1, struct.pack(order + "HH", 6, 0))]
    body = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHI", tag, kind, count) + value
    end = len(body)
    body += struct.pack(order + "I", 99) + b"the maker's own notes"
    wanted = bytearray(body)
    wanted[end - 4 : end - 2] = struct.pack(order + "H", 1)
    wanted[end : end + 4] = bytes(4)
    assert reset_exif(body) == PREFIX + bytes(wanted)
    assert reset_exif(PREFIX + body) == PREFIX + bytes(wanted)


HEADS = [
    b"",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    # All that follows belongs to the thumbnail.
    b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\x02\0\x01\x02",
    b"MM\0*\0\0\0\x08\0\0\0\0\0\x0e\0\x02\x01\x11",
]
KINDS = {1: "4B", 3: "2H", 4: "I", 6: "4b", 7: "4B", 8: "2h", 9: "i"}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", KINDS)
def test_orientation_is_applied_once_for_every_integer_type(
    order: str, kind: int, tmp_path: Path
) -> None:
    form = order + KINDS[kind]
    value = struct.pack(form, 6, *[0] * (len(struct.unpack(form, bytes(4))) - 1))
    block = PREFIX + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    block += struct.pack(order + "HHI", 0x0112, kind, 1) + value + bytes(4)
    (tmp_path / "in.jpg").write_bytes(encoded(Image.fromarray(PICTURE), "JPEG", exif=block))
    photo = read_photo(tmp_path / "in.jpg")
    assert photo.pixels.shape == (60, 40, 3)
    write_image(tmp_path / "out.jpg", photo.pixels, photo.extras)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[0x0112] in (1, b"\1")
    assert read_photo(tmp_path / "out.jpg").pixels.shape == (60, 40, 3)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("strips", [False, True])
def test_thumbnail_is_erased_completely(order: str, strips: bool) -> None:
    shown, notes = bytes(range(1, 61)), b"the maker's own notes"
    # Header, an empty directory, notes, the thumbnail's directory, and at the end the thumbnail.
    start = 8 + 6 + len(notes)
    lists = start + 2 + 2 * 12 + 4
    place = lists + 16
    if strips:
        kinds = ((0x0111, 4, 2, lists), (0x0117, 4, 2, lists + 8))
        content = struct.pack(order + "4I", place, place + 20, 20, 40)
    else:
        kinds = ((0x0201, 4, 1, place), (0x0202, 4, 1, 60))
        content = bytes(16)
    body = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IHI", 8, 0, start)
    body += notes + struct.pack(order + "H", 2)
    body += b"".join(struct.pack(order + "HHII", *kind) for kind in kinds) + bytes(4) + content
    block = reset_exif(body + shown + b"more notes")
    wanted = bytearray(body + bytes(60) + b"more notes")
    wanted[10:14] = bytes(4)
    assert block == PREFIX + wanted


def test_thumbnail_is_not_in_the_written_file(tmp_path: Path) -> None:
    thumbnail = encoded(Image.fromarray(PICTURE), "JPEG")
    # As cameras write it: after everything else, with its own directory.
    body = b"MM\0*" + struct.pack(">IHI", 8, 0, 14) + struct.pack(">H", 2)
    body += struct.pack(">HHII", 0x0201, 4, 1, 44) + struct.pack(">HHII", 0x0202, 3, 1, 0)
    body = body[:-4] + struct.pack(">HH", len(thumbnail), 0) + bytes(4) + thumbnail
    (tmp_path / "in.jpg").write_bytes(encoded(Image.fromarray(PICTURE), "JPEG", exif=PREFIX + body))
    assert (tmp_path / "in.jpg").read_bytes().count(b"\xff\xd8\xff") == 2
    photo = read_photo(tmp_path / "in.jpg")
    write_image(tmp_path / "out.jpg", photo.pixels, photo.extras)
    assert (tmp_path / "out.jpg").read_bytes().count(b"\xff\xd8\xff") == 1


@given(st.binary(max_size=60), st.sampled_from(HEADS))
def test_reset_never_crashes(junk: bytes, head: bytes) -> None:
    block = reset_exif(head + junk)
    assert block is None or len(block) == len(PREFIX) + len((head + junk).removeprefix(PREFIX))


@pytest.mark.parametrize("value", [0, 9, -1, "6", (6, 6), 2.0])
def test_invalid_orientation_is_upright(value: object) -> None:
    tags = Image.Exif()
    tags[0x0112] = value
    assert orientation(tags) == (0, False)
