"""An image to write to files of all kinds, and what the tests that read it share."""

from __future__ import annotations

import io

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
