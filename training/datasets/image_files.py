"""Reads and writes the image files of a data set, and tiles images into one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError, ImageReadError, ImageWriteError
from unmask_sdk.imaging.decode import read_photo


def read_image(path: Path) -> UInt8Array:
    """Reads an image as uint8 `[H, W, 3]` RGB, in its upright orientation.

    Raises:
        DataError: If the file is missing, cut off, or not an image.
    """
    try:
        return read_photo(path).pixels
    except ImageReadError as error:
        raise DataError(
            f"cannot read an image: {error}; fix it, or remove it from the landmark file"
        ) from None


def write_image(path: Path, image: UInt8Array) -> None:
    """Writes an image, atomically; the suffix chooses the format.

    Args:
        path: File to write; missing folders are made.
        image: uint8 `[H, W, 3]` RGB or `[H, W]` gray.

    Raises:
        ImageWriteError: If it cannot be encoded or written; no partial file is left.
    """
    bgr = image[..., ::-1] if image.ndim == 3 else image
    try:
        encoded, data = cv2.imencode(path.suffix, bgr)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = image.shape[:2]
        raise ImageWriteError(
            f"cannot write {path}: {width}x{height} pixels are too many for {path.suffix}, or no "
            "such format is known"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data.tobytes())
    except OSError as error:
        raise ImageWriteError(f"cannot write {path}: {error.strerror}") from None


def image_grid(rows: Sequence[Sequence[UInt8Array]]) -> UInt8Array:
    """Joins rows of equally sized images into one image."""
    return np.vstack([np.hstack(list(row)) for row in rows])
