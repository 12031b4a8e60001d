"""Inputs and outputs of the locator's networks: scales, letterboxing, decoding and NMS.

Boxes are (x0, y0, x1, y1) in pixels, with integers at pixel centers as in `align.py`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import (
    ALIGN_SIZE,
    BORDER,
    COARSE_SIDE,
    FULL_SIDE,
    MAX_SIDE,
    STRIDE,
)

# Only cells with at least this heat give a box. It is the square of `locator.MIN_SCORE`: with less
# heat a face could not reach that score even if the aligner were certain.
MIN_HEAT = 0.36

CELL = 8
# The fine pass: this fraction of the photo's size, so that a face of 40 px still spans 16, but no
# longer than MAX_SIDE; beyond 4160 px the smallest face that is found grows with the photo.
FINE_SCALE = 0.4
# Largest ratio of two neighboring scales; the detector is trained for faces of 12 to 300 px.
MAX_STEP = 6.0
GRAY = 127

# Where the five points of an average upright face lie in the crop that the aligner takes, in
# crop sides from the top-left edge.
TEMPLATE: Float64Array = np.array(
    [[0.33, 0.34], [0.67, 0.34], [0.5, 0.56], [0.35, 0.694], [0.65, 0.694]]
)
# Crop side divided by the longer side of the box: an upright face then matches the template.
BOX_MARGIN = 1.12


def detector_scales(height: int, width: int) -> list[float]:
    """Returns the scale factors at which the detector sees a photo, smallest first.

    One is enough if it shows both faces that fill the frame and the smallest ones.
    """
    longest = max(height, width)
    coarse = min(1.0, COARSE_SIDE / longest)
    fine = min(FINE_SCALE, MAX_SIDE / longest)
    if coarse >= fine:
        return [coarse]
    if min(height, width) * fine <= FULL_SIDE:
        return [fine]
    steps = math.ceil(math.log(fine / coarse) / math.log(MAX_STEP))
    return [coarse * (fine / coarse) ** (step / steps) for step in range(steps + 1)]


def letterboxes(image: UInt8Array) -> list[tuple[UInt8Array, Float64Array]]:
    """Returns what `letterbox` does for each of the `detector_scales` of a photo."""
    halves: list[UInt8Array] = []
    return [letterbox(image, scale, halves) for scale in detector_scales(*image.shape[:2])]


def letterbox(
    image: UInt8Array, scale: float, halves: list[UInt8Array] | None = None
) -> tuple[UInt8Array, Float64Array]:
    """Downsamples a photo and pads it with gray, to sides that are multiples of 32.

    Args:
        image: uint8 `[H, W, 3]`.
        scale: Scale factor, at most 1.
        halves: The photo at a half, a quarter and so on of its size, as computed for other scales;
            further sizes that this scale needs are appended.

    Returns:
        The canvas uint8 `[H, W, 3]` with the photo `BORDER` px from its left and top, and the
        number of photo pixels per canvas pixel, (x, y).
    """
    height, width = image.shape[:2]
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    halves = [] if halves is None else halves
    shrunk, level = image, 0
    # First halved as often as possible, which avoids aliasing: averaging by a fractional factor
    # takes many times longer.
    while scale <= 0.5 and min(shrunk.shape[:2]) > 1:
        if level == len(halves):
            half = (shrunk.shape[1] // 2, shrunk.shape[0] // 2)
            halves.append(np.asarray(cv2.resize(shrunk, half, interpolation=cv2.INTER_AREA)))
        shrunk = halves[level]
        level += 1
        scale *= 2
    if shrunk.shape[:2] != (h, w):
        shrunk = np.asarray(cv2.resize(shrunk, (w, h), interpolation=cv2.INTER_LINEAR))
    rows, columns = (-(-(n + 2 * BORDER) // STRIDE) * STRIDE for n in (h, w))
    below, right = rows - h - BORDER, columns - w - BORDER
    canvas = cv2.copyMakeBorder(
        shrunk, BORDER, below, BORDER, right, cv2.BORDER_CONSTANT, value=(GRAY, GRAY, GRAY)
    )
    return np.asarray(canvas, np.uint8), np.array([width / w, height / h])


def decode_boxes(heat: Float32Array, box: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Decodes the detector's maps to boxes, in pixels of the detector's input.

    Args:
        heat: float32 `[H, W]`, 0..1.
        box: float32 `[H, W, 4]`: offset (x, y) from the cell's center to the box's center in box
            sides, then log width and log height in cells.

    Returns:
        Boxes float64 `[N, 4]` (x0, y0, x1, y1) and their heat `[N]`, one for each local maximum.
    """
    height, width = heat.shape
    hot = np.flatnonzero(heat >= MIN_HEAT)
    rows, columns = np.divmod(hot, width)
    # Padded, so that every cell has eight neighbors.
    padded = np.zeros((height + 2, width + 2), np.float32)
    padded[1:-1, 1:-1] = heat
    neighbors = np.add.outer((-width - 2, 0, width + 2), (-1, 0, 1)).ravel()
    cells = (rows + 1) * (width + 2) + columns + 1
    peak = heat.ravel()[hot] >= padded.ravel()[np.add.outer(cells, neighbors)].max(1)
    rows, columns = rows[peak], columns[peak]
    values = box[rows, columns].astype(np.float64)
    # Wider than any photo, but far from overflow: a damaged network must not cause warnings.
    sides = np.exp(np.clip(values[:, 2:], -8, 8)) * CELL
    centers = (np.stack([columns, rows], 1) + 0.5) * CELL - 0.5 + values[:, :2] * sides
    boxes = np.hstack([centers - sides / 2, centers + sides / 2])
    return boxes, heat[rows, columns].astype(np.float64)


def nms(boxes: Float64Array, scores: Float64Array, overlap: float) -> list[int]:
    """Non-maximum suppression: of boxes that overlap, keeps the one with the highest score.

    Args:
        boxes: float64 `[N, 4]` (x0, y0, x1, y1).
        scores: `[N]`.
        overlap: Intersection over union, 0..1, above which the box with the lower score is dropped.

    Returns:
        Indices of the boxes kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[iou(boxes[best], boxes[order]) <= overlap]
    return kept


def iou(box: Float64Array, boxes: Float64Array) -> Float64Array:
    """Returns the intersection over union of one box `[4]` with each of `[N, 4]`."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(intersection / np.maximum(areas - intersection, 1e-9))


def box_matrix(box: Float64Array) -> Float64Array:
    """Returns the transform from photo to aligner crop for a box whose roll is unknown."""
    side = BOX_MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
    scale = ALIGN_SIZE / side
    corner = (box[:2] + box[2:]) / 2 - side / 2
    return np.array([[scale, 0, -scale * corner[0] - 0.5], [0, scale, -scale * corner[1] - 0.5]])


def points_matrix(points: Float64Array) -> Float64Array:
    """Returns the transform from photo to aligner crop for a face whose five points are known.

    It is the similarity that brings the points nearest to the template (least squares).
    """
    source = points[:, 0] + 1j * points[:, 1]
    target = (TEMPLATE * ALIGN_SIZE - 0.5) @ np.array([1, 1j])
    offset, goal = source - source.mean(), target - target.mean()
    variance = float(np.vdot(offset, offset).real)
    # Scale and rotation as one complex number.
    factor = complex(np.vdot(offset, goal)) / max(variance, 1e-9)
    if not 1e-3 < abs(factor) < 1e3:
        factor = 1 + 0j  # A damaged network: no size or direction, so any crop will do.
    shift = target.mean() - factor * source.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )
