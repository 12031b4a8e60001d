"""A picture to write to files of all kinds, and what tests of reading it share."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Smooth, so that lossy formats stay near it; not symmetric, so that a wrong turn shows.
Y, X = np.mgrid[:40, :60]
PICTURE = np.stack([X * 4, Y * 6, (X + Y) * 2 + 20], 2).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The content of a file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def off(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference of two pictures."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())
