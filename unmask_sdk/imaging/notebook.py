"""Images as a notebook shows them."""

from __future__ import annotations

import io

from PIL import Image

from unmask_sdk.core.arrays import UInt8Array

# Longest side of an image in a notebook, in pixels.
MAX_SIDE = 1024


def notebook_png(image: UInt8Array) -> bytes:
    """Returns an image, uint8 `[H, W, 3]` RGB, as a PNG file no larger than a notebook shows."""
    shown = Image.fromarray(image)
    shown.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()
