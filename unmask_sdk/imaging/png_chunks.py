"""Chunks of a PNG that Pillow does not report, and what those about color mean."""

from __future__ import annotations

import struct
from typing import IO, TypeAlias

# About the color of the pixels, in the order in which they are written; Pillow writes `_WRITTEN`.
_COLOR = (b"cICP", b"mDCV", b"cLLI", b"cHRM", b"gAMA", b"sRGB")
WRITTEN = (b"cICP", b"cHRM", b"gAMA", b"sRGB")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 1000
_MAX_LENGTH = 64

_SRGB_GAMMA = 45455
_SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
# Numbers of ITU-T H.273: BT.709 and unspecified; BT.709, unspecified, BT.601 and sRGB.
_SRGB_PRIMARIES, _SRGB_TRANSFERS = (1, 2), (1, 2, 6, 13)

Chunks: TypeAlias = tuple[tuple[bytes, bytes], ...]


def read_chunks(file: IO[bytes]) -> tuple[Chunks, set[bytes]]:
    """Returns the chunks about color of a PNG, and the names of all chunks before its pixels."""
    file.seek(0)
    if file.read(8) != _SIGNATURE:
        return (), set()
    found: dict[bytes, bytes] = {}
    names: set[bytes] = set()
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            break
        names.add(name)
        if name in _COLOR and length <= _MAX_LENGTH:
            found[name] = file.read(length)
            length = 0
        file.seek(length + 4, 1)
    return tuple((name, found[name]) for name in _COLOR if name in found), names


def cicp_chunk(primaries: int, transfer: int) -> Chunks:
    """Returns the chunk for a color description of HEIF or AVIF; nothing for that of sRGB."""
    if max(primaries, transfer) > 255 or is_srgb_description(primaries, transfer):
        return ()
    # RGB (matrix 0) of full range, as which the pixels are decoded.
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def is_srgb_description(primaries: int, transfer: int) -> bool:
    """Returns whether numbers of ITU-T H.273 mean what viewers assume anyway."""
    return primaries in _SRGB_PRIMARIES and transfer in _SRGB_TRANSFERS


def meanings(chunks: Chunks) -> list[str]:
    """Returns what the chunks say, in words, if it is not that the image is sRGB."""
    found = dict(chunks)
    words = []
    cicp = found.get(b"cICP", b"")
    if len(cicp) == 4:
        if not is_srgb_description(cicp[0], cicp[1]):
            words.append(f"color description (cICP {cicp[0]}, {cicp[1]})")
    elif b"sRGB" not in found:
        if found.get(b"gAMA", _numbers(_SRGB_GAMMA)) != _numbers(_SRGB_GAMMA):
            words.append("gamma")
        if found.get(b"cHRM", _numbers(*_SRGB_POINTS)) != _numbers(*_SRGB_POINTS):
            words.append("chromaticities")
    return words


def unwritten(chunks: Chunks) -> list[str]:
    """Returns what of the chunks no result holds, in words."""
    hdr = any(name in (b"mDCV", b"cLLI") for name, _ in chunks)
    return ["HDR mastering data"] if hdr else []


def _numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)
