"""Photoshop's image resources, in which JPEG and TIFF hold IPTC (caption, credit, copyright)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

IPTC = 0x0404
# What is kept: IPTC, its digest (for the IPTC as it is), the copyright flag and the address.
_KEPT = (IPTC, 0x0425, 0x040A, 0x040B)
_PATHS = range(2000, 2999)

# Start of a JPEG's segment, and the largest block that one segment holds.
JPEG = b"Photoshop 3.0\0"
MAX_SEGMENT = 65_533 - len(JPEG)

_MAX_RESOURCES = 1000


def read_resources(block: bytes) -> dict[int, bytes]:
    """Returns the resources of a block by their number, up to where the block is damaged."""
    found: dict[int, bytes] = {}
    place = 0
    while block[place : place + 4] == b"8BIM" and len(found) < _MAX_RESOURCES:
        name = block[place + 6] if place + 6 < len(block) else 0
        start = place + 6 + (name + 2) // 2 * 2
        if start + 4 > len(block):
            break
        (number,) = struct.unpack_from(">H", block, place + 4)
        (size,) = struct.unpack_from(">I", block, start)
        if start + 4 + size > len(block):
            break
        found[number] = block[start + 4 : start + 4 + size]
        place = start + 4 + size + size % 2
    return found


def kept_block(resources: Mapping[int, object]) -> bytes | None:
    """Returns a block of those resources that say something of the photo; `None` without any.

    The thumbnail is left out: it would show the masks.
    """
    parts = []
    for number in _KEPT:
        content = resources.get(number)
        if isinstance(content, bytes) and content:
            head = b"8BIM" + struct.pack(">HHI", number, 0, len(content))
            parts.append(head + content + bytes(len(content) % 2))
    return b"".join(parts) or None


def has_paths(resources: Mapping[int, object]) -> bool:
    """Returns whether there are clipping paths."""
    return any(number in _PATHS for number in resources)
