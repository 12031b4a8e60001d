"""EXIF blocks: turned upright, without thumbnail, nothing else touched, never a crash."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask_sdk.exif import PREFIX, reset, turns


@pytest.mark.parametrize("order", "<>")
def test_reset_changes_orientation_and_thumbnail_alone(order: str) -> None:
    entries = [(0x010E, 2, 4, b"abc\0"), (0x0112, 3, 1, struct.pack(order + "HH", 6, 0))]
    body = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHI", tag, kind, count) + value
    end = len(body)
    body += struct.pack(order + "I", 99) + b"the maker's own notes"
    wanted = bytearray(body)
    wanted[end - 4 : end - 2] = struct.pack(order + "H", 1)
    wanted[end : end + 4] = bytes(4)
    assert reset(body) == PREFIX + bytes(wanted)
    assert reset(PREFIX + body) == PREFIX + bytes(wanted)


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_reset_never_crashes(junk: bytes, head: bytes) -> None:
    block = reset(head + junk)
    assert block is None or len(block) == len(PREFIX) + len((head + junk).removeprefix(PREFIX))


@pytest.mark.parametrize("value", [0, 9, -1, "6", (6, 6), 2.0])
def test_an_odd_orientation_is_upright(value: object) -> None:
    tags = Image.Exif()
    tags[0x0112] = value
    assert turns(tags) == (0, False)
