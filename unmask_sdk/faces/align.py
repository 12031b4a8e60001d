"""The canonical crop: the aligned 256x256 image of a face that the networks take.

The crop is placed by the eye centers alone, so that the masked and the unmasked image of a face
are aligned in the same way. Coordinates are pixels, x to the right and y down, with integers at
pixel centers (OpenCV's convention). "Left" and "right" are as seen in the image, not the person's.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import InvalidInputError

CROP_SIZE = 256
CROP_EYES = np.array([[98.0, 112.0], [158.0, 112.0]])
CROP_EYE_DISTANCE = 60.0

# Two "eye centers" closer than this, in pixels, give no usable direction or scale.
MIN_EYE_DISTANCE = 1.0


def crop_matrix(eyes: npt.ArrayLike, size: int = CROP_SIZE) -> Float64Array:
    """Returns the similarity transform from photo to canonical crop.

    Args:
        eyes: `[2, 2]`, the (x, y) centers of the image-left and image-right eye in pixels.
        size: Side of the crop in pixels; the positions of the eyes scale with it.

    Returns:
        `[2, 3]` float64 matrix for `cv2.warpAffine`.

    Raises:
        InvalidInputError: If the eyes are not two finite points at least one pixel apart.
    """
    points = np.asarray(eyes, dtype=np.float64)
    if points.shape != (2, 2) or not np.isfinite(points).all():
        raise InvalidInputError(
            f"eyes must be two finite (x, y) points, shape (2, 2); got {points.tolist()}"
        )
    (ax, ay), (bx, by) = points
    dx, dy = bx - ax, by - ay
    with np.errstate(over="ignore"):
        squared = dx * dx + dy * dy
    if not np.isfinite(squared):
        raise InvalidInputError(f"eyes are too far apart; got {points.tolist()}")
    if squared < MIN_EYE_DISTANCE**2:
        raise InvalidInputError(
            f"eyes must be at least {MIN_EYE_DISTANCE:g} px apart; got {points.tolist()}"
        )
    # The eyes keep their position relative to the crop's edges (pixel edges, not centers) when the
    # size changes, so a crop of 128 is exactly the crop of 256 at half size.
    target = (CROP_EYES + 0.5) * (size / CROP_SIZE) - 0.5
    tx, ty = target[1] - target[0]
    a = (tx * dx + ty * dy) / squared
    b = (ty * dx - tx * dy) / squared
    return np.array(
        [
            [a, -b, target[0, 0] - a * ax + b * ay],
            [b, a, target[0, 1] - b * ax - a * ay],
        ]
    )


def transform_points(matrix: npt.ArrayLike, points: npt.ArrayLike) -> Float64Array:
    """Applies a `[2, 3]` affine matrix to `[..., 2]` points."""
    m = np.asarray(matrix, dtype=np.float64)
    moved: Float64Array = np.asarray(points, dtype=np.float64) @ m[:, :2].T + m[:, 2]
    return moved


def photo_px_per_crop_px(matrix: Float64Array) -> float:
    """Returns how many photo pixels one crop pixel spans along a side."""
    return 1.0 / float(np.hypot(matrix[0, 0], matrix[1, 0]))


def crop_to_photo(matrix: Float64Array, points: npt.ArrayLike) -> Float64Array:
    """Transforms `[..., 2]` crop points back to the photo."""
    import cv2

    return transform_points(cv2.invertAffineTransform(matrix), points)


def offset_matrix(matrix: Float64Array, left: int, top: int) -> Float64Array:
    """Returns the matrix for the part of the photo that begins at (left, top)."""
    moved: Float64Array = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([left, top])
    return moved


def bounding_rect(
    points: Float64Array, image: UInt8Array, padding: float
) -> tuple[int, int, int, int]:
    """Returns the bounding rectangle of points, padded and clipped to the image.

    Args:
        points: `[N, 2]`, (x, y) in pixels.
        image: uint8 `[H, W, …]`.
        padding: Pixels added on each side.

    Returns:
        (x0, y0, x1, y1) in whole pixels; x1 and y1 are exclusive.
    """
    height, width = image.shape[:2]
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    x0, x1 = (min(max(x, 0), width) for x in (floor(left - padding), ceil(right + padding) + 1))
    y0, y1 = (min(max(y, 0), height) for y in (floor(top - padding), ceil(bottom + padding) + 1))
    return x0, y0, x1, y1


def warp_crop(image: UInt8Array, matrix: Float64Array, size: int = CROP_SIZE) -> UInt8Array:
    """Warps the canonical crop out of a photo.

    Only the part of the photo around the crop is read. A face that is larger than the crop is
    downsampled by averaging, so that fine detail does not alias. Outside the photo, its border
    pixels are repeated.

    Args:
        image: `[H, W, C]` or `[H, W]` uint8.
        matrix: From `crop_matrix`, with the same `size`.
        size: Side of the crop in pixels.

    Returns:
        `[size, size, C]` or `[size, size]` uint8.
    """
    import cv2

    corners = np.array([[-1.0, -1.0], [size, -1.0], [size, size], [-1.0, size]])
    # Averaging reads one more crop pixel on each side.
    padding = 2 + 2 * photo_px_per_crop_px(matrix)
    x0, y0, x1, y1 = bounding_rect(crop_to_photo(matrix, corners), image, padding)
    # A crop that lies completely outside the photo gets the nearest border pixels.
    height, width = image.shape[:2]
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    source: Any = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    warp = offset_matrix(matrix, x0, y0)
    factor = int(photo_px_per_crop_px(matrix))
    if factor > 1:
        height, width = source.shape[:2]
        shrunk = (max(1, width // factor), max(1, height // factor))
        if width >= factor and height >= factor:
            # An integer factor is faster. The pixels left out lie beyond the crop or, where the
            # photo ends there, are less than one pixel of the crop.
            height, width = shrunk[1] * factor, shrunk[0] * factor
            source = source[:height, :width]
        source = cv2.resize(source, shrunk, interpolation=cv2.INTER_AREA)
        fx, fy = width / shrunk[0], height / shrunk[1]
        # Pixel x of the downsampled image lies at fx * (x + 0.5) - 0.5 in the original.
        grow = np.array([[fx, 0, 0.5 * fx - 0.5], [0, fy, 0.5 * fy - 0.5], [0, 0, 1]])
        warp = warp @ grow
    return np.asarray(
        cv2.warpAffine(
            source, warp, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.uint8,
    )
