"""Where the locator's networks look, and how their answers are read: plain geometry.

Boxes are (x0, y0, x1, y1) in pixels, with whole numbers at pixel centres as in `align.py`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE, BORDER, COARSE_SIDE, MAX_SIDE, STRIDE

# Only cells at least this hot give a box. It is the square of `locator.MIN_SCORE`: less heat could
# not reach that score even if the aligner were certain.
MIN_HEAT = 0.36

CELL = 8
# The fine look: this share of the photo's size, so that a face of 40 px still spans 17, but no
# longer than MAX_SIDE; beyond 4000 px the smallest face found grows with the photo.
FINE_SCALE = 0.42
# Neighbouring looks may differ by this factor; the detector is trained for 12 to 300 px.
MAX_STEP = 6.0
GRAY = 127

# Where the five points of an average upright face lie in the crop that the aligner takes, in
# crop sides from the top-left edge.
TEMPLATE: Float64Array = np.array(
    [[0.33, 0.34], [0.67, 0.34], [0.5, 0.56], [0.35, 0.694], [0.65, 0.694]]
)
# Crop side over the longer side of the box: an upright face lies as in the template.
BOX_MARGIN = 1.12


def detector_scales(height: int, width: int) -> list[float]:
    """Gives the sizes, over the photo's own, at which the detector looks; coarse first."""
    longest = max(height, width)
    coarse = min(1.0, COARSE_SIDE / longest)
    fine = min(FINE_SCALE, MAX_SIDE / longest)
    if coarse >= fine:
        return [coarse]
    steps = math.ceil(math.log(fine / coarse) / math.log(MAX_STEP))
    return [coarse * (fine / coarse) ** (step / steps) for step in range(steps + 1)]


def letterbox(
    image: UInt8Array, scale: float, halves: list[UInt8Array] | None = None
) -> tuple[UInt8Array, Float64Array]:
    """Shrinks a photo and puts a grey border round it, to sides that are multiples of 32.

    Args:
        image: uint8 `[H, W, 3]`.
        scale: Its new size, over its own.
        halves: The photo at a half, a quarter and so on of its size, as far as earlier looks at it
            have come; what this one needs beyond that is added.

    Returns:
        The canvas uint8 `[H, W, 3]` with the photo `BORDER` px from its left and top, and the
        photo's pixels to each pixel of the shrunk photo, (x, y).
    """
    height, width = image.shape[:2]
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    halves = [] if halves is None else halves
    shrunk, level = image, 0
    # Halved first, as often as may be, so that nothing aliases: averaging over parts of pixels
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
    """Reads boxes off the detector's maps, in pixels of the picture that it saw.

    Args:
        heat: float32 `[H, W]`, 0..1.
        box: float32 `[H, W, 4]`: offset x, y from the cell's centre to the box's in box sides,
            then log width and log height in cells.

    Returns:
        Boxes float64 `[N, 4]` (x0, y0, x1, y1) and their heat `[N]`: one for each local maximum.
    """
    height, width = heat.shape
    hot = np.flatnonzero(heat >= MIN_HEAT)
    rows, columns = np.divmod(hot, width)
    # With a border, so that every cell has eight neighbours.
    framed = np.zeros((height + 2, width + 2), np.float32)
    framed[1:-1, 1:-1] = heat
    around = np.add.outer((-width - 2, 0, width + 2), (-1, 0, 1)).ravel()
    centres = (rows + 1) * (width + 2) + columns + 1
    peak = heat.ravel()[hot] >= framed.ravel()[np.add.outer(centres, around)].max(1)
    rows, columns = rows[peak], columns[peak]
    values = box[rows, columns].astype(np.float64)
    # Wider than any picture, but far from overflow: a damaged network must not raise warnings.
    sides = np.exp(np.clip(values[:, 2:], -8, 8)) * CELL
    centres = (np.stack([columns, rows], 1) + 0.5) * CELL - 0.5 + values[:, :2] * sides
    return np.hstack([centres - sides / 2, centres + sides / 2]), heat[rows, columns].astype(
        np.float64
    )


def nms(boxes: Float64Array, scores: Float64Array, overlap: float) -> list[int]:
    """Picks the best of boxes that overlap.

    Args:
        boxes: float64 `[N, 4]` (x0, y0, x1, y1).
        scores: `[N]`.
        overlap: Intersection over union above which the lower score goes, 0..1.

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
    """Gives the intersection over union of one box `[4]` with each of `[N, 4]`."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    both = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(shared / np.maximum(both - shared, 1e-9))


def box_matrix(box: Float64Array) -> Float64Array:
    """Gives the transform from picture to aligner crop for a box whose roll is not known."""
    side = BOX_MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
    scale = ALIGN_SIZE / side
    corner = (box[:2] + box[2:]) / 2 - side / 2
    return np.array([[scale, 0, -scale * corner[0] - 0.5], [0, scale, -scale * corner[1] - 0.5]])


def points_matrix(points: Float64Array) -> Float64Array:
    """Gives the similarity to the aligner crop that brings five points nearest the template."""
    source = points[:, 0] + 1j * points[:, 1]
    target = (TEMPLATE * ALIGN_SIZE - 0.5) @ np.array([1, 1j])
    offset, goal = source - source.mean(), target - target.mean()
    spread = float(np.vdot(offset, offset).real)
    turn = complex(np.vdot(offset, goal)) / max(spread, 1e-9)
    if not 1e-3 < abs(turn) < 1e3:
        turn = 1 + 0j  # Points without size or direction: a damaged network's. Any crop will do.
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
