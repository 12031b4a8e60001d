"""Contact sheets of an evaluation: faces side by side, and photos with their names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.datasets.image_files import image_grid, write_image

from .real_photos import PhotoRow

SHEET_PHOTOS = 48
_COLUMNS = 4
_LABEL = 22


def in_columns(rows: list[list[UInt8Array]], columns: int) -> UInt8Array:
    """Arranges the rows of a contact sheet in several columns; empty places are black."""
    blank = [np.zeros_like(image) for image in rows[0]]
    filled = rows + [blank] * (-len(rows) % columns)
    lines = [filled[i : i + columns] for i in range(0, len(filled), columns)]
    return image_grid([[image for row in line for image in row] for line in lines])


def write_photo_sheets(folder: Path, rows: list[PhotoRow]) -> list[Path]:
    """Writes `photos-01.jpg` and so on: 48 faces each, with a number and the photo's name.

    Sheets that an earlier evaluation left in the folder are removed.

    Args:
        folder: Folder to write to.
        rows: The faces, before and after.

    Returns:
        The files.
    """
    files = []
    for start in range(0, len(rows), SHEET_PHOTOS):
        chosen = rows[start : start + SHEET_PHOTOS]
        tiles = [[_tile(row, start + i + 1)] for i, row in enumerate(chosen)]
        files.append(folder / f"photos-{start // SHEET_PHOTOS + 1:02}.jpg")
        write_image(files[-1], in_columns(tiles, min(_COLUMNS, len(tiles))))
    for old in folder.glob("photos-*.jpg"):
        if old not in files:
            old.unlink()
    return files


def _tile(row: PhotoRow, number: int) -> UInt8Array:
    """Returns a face before and after, below its number and name."""
    pair = np.hstack(row.images)
    label = np.zeros((_LABEL, pair.shape[1], 3), np.uint8)
    text = f"{number} {row.title}".encode("ascii", "replace").decode()
    cv2.putText(
        label, text, (4, _LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.vstack([label, pair])
