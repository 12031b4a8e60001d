"""An image to write to files of all kinds, and what the tests that read it share."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

# Smooth, so that lossy formats stay near it; not symmetric, so that a wrong orientation shows.
Y, X = np.mgrid[:40, :60]
PICTURE = np.stack([X * 4, Y * 6, (X + Y) * 2 + 20], 2).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Returns the content of a file in a format of Pillow's."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def off(a: np.ndarray, b: np.ndarray) -> int:
    """Returns the largest difference between two images of one shape."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def profile(space: bytes, tag: bytes, content: bytes, pcs: bytes) -> bytes:
    """An ICC profile with one tag and a white point."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    offset = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", offset, 20, tag, offset + 20, len(content))
    size = offset + 20 + len(content)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"prtr", space, pcs, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + white + content
