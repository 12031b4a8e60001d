"""Faces whose boxes or eyes the caller gives, instead of letting the locator search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import InvalidInputError

from .align import crop_matrix, transform_points
from .locator import Location, Locator

# A box from the caller contains a face from this aligner score up. Measured with the shipped
# locator: 600 synthetically masked validation faces (LFW, UTKFace) score at least 0.92, whether the
# box is exact, off by a tenth (standard deviation) on each side, or a square a third too large, or
# the face is rolled by 15, 30 or 45 degrees; 101 really masked ones at least 0.75. Of 1500 random
# boxes on scikit-image's photos without faces, 93 % score less than this.
MIN_BOX_SCORE = 0.7
# The face in the canonical crop, where only the eyes are known: forehead to chin.
FACE_BOX = (66.0, 61.0, 190.0, 219.0)


def faces_from_boxes(image: UInt8Array, locator: Locator, boxes: npt.ArrayLike) -> list[Location]:
    """Aligns the faces in given boxes.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        locator: Finds the eyes in each box.
        boxes: `[F, 4]`, (x0, y0, x1, y1) in pixels from forehead to chin; `[4]` for a single face.

    Raises:
        InvalidInputError: If `boxes` has another shape, or a box lies outside the image.
    """
    rows = _rows("boxes", boxes, (4,))
    for box in rows:
        _check_inside("boxes", image, box)
    return [locator.align(image, box) for box in rows]


def faces_from_eyes(image: UInt8Array, eyes: npt.ArrayLike) -> list[Location]:
    """Returns the faces with given eyes; their nose and mouth points are NaN.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        eyes: `[F, 2, 2]`, (x, y) in pixels of the eye centers, the left one in an upright image
            first; `[2, 2]` for a single face.

    Raises:
        InvalidInputError: If `eyes` has another shape, or a pair lies outside the image.
    """
    return [_from_eyes(image, pair) for pair in _rows("eyes", eyes, (2, 2))]


def _rows(name: str, given: npt.ArrayLike, shape: tuple[int, ...]) -> Float64Array:
    """Reads one row per face; a single face may come without its outer brackets."""
    expected = f"[F, {', '.join(map(str, shape))}]"
    try:
        rows = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be numbers of shape {expected}: {error}") from error
    if rows.shape == shape:
        rows = rows[None]
    if rows.size == 0:
        rows = rows.reshape(0, *shape)
    if rows.shape[1:] != shape:
        raise InvalidInputError(f"{name} must have the shape {expected}, got {list(rows.shape)}")
    return rows


def _from_eyes(image: UInt8Array, eyes: Float64Array) -> Location:
    matrix = crop_matrix(eyes)
    _check_inside("eyes", image, eyes)
    to_photo = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    x0, y0, x1, y1 = FACE_BOX
    corners = transform_points(to_photo, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    low, high = corners.min(0).tolist(), corners.max(0).tolist()
    points = np.vstack([eyes, np.full((3, 2), np.nan)])
    return Location((low[0], low[1], high[0], high[1]), points, 1.0)


def _check_inside(name: str, image: UInt8Array, given: Float64Array) -> None:
    """Refuses two points, or the corners of a box, that lie outside on one side of the image."""
    points = given.reshape(2, 2)
    height, width = image.shape[:2]
    if ((points < -0.5).all(0) | (points > np.array([width, height]) - 0.5).all(0)).any():
        raise InvalidInputError(
            f"{name} must not lie outside the {width}x{height} image; got {given.tolist()}"
        )
