"""Targets and losses of the detector and the aligner."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.core.arrays import Float32Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.faces.detector_postprocess import CELL

# Standard deviation of the heat around a face's center, relative to the face's mean side, and its
# minimum in cells.
SPREAD = 0.1
MIN_SPREAD = 0.45
# Cells with at least this heat also learn the box.
BOX_HEAT = 0.4
# Wing loss, in pixels of the crop: below `WING_BEND` it is steep, above `WING_REACH` linear.
WING_REACH, WING_BEND = 5.0, 1.0
EYE_WEIGHT = 2.0


def detector_targets(
    boxes: Float32Array, cells: int
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Converts the boxes of one square image into target maps.

    Args:
        boxes: float32 `[N, 4]` (x0, y0, x1, y1) in pixels.
        cells: Side of the maps.

    Returns:
        Heat float32 `[cells, cells]`, exactly 1 at the cells nearest to centers; boxes float32
        `[cells, cells, 4]` as `detector_postprocess.decode_boxes` reads them; and the weight of
        each cell's box `[cells, cells]`, which sums to 1 over the cells of one face.
    """
    heat = np.zeros((cells, cells), np.float32)
    maps = np.zeros((cells, cells, 4), np.float32)
    weight = np.zeros((cells, cells), np.float32)
    grid = (np.arange(cells, dtype=np.float32) + 0.5) * CELL - 0.5
    for x0, y0, x1, y1 in boxes:
        cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        column, row = (int(np.clip((c + 0.5) // CELL, 0, cells - 1)) for c in (cx, cy))
        sigma = max(MIN_SPREAD, SPREAD * float(np.sqrt(w * h)) / CELL) * CELL
        dx, dy = grid - grid[column], grid - grid[row]
        bump = np.exp(-(dy[:, None] ** 2 + dx[None] ** 2) / (2 * sigma**2))
        mine = (bump >= BOX_HEAT) & (bump > heat)
        maps[mine] = np.stack(
            np.broadcast_arrays(
                ((cx - grid) / w)[None],
                ((cy - grid) / h)[:, None],
                np.log(w / CELL),
                np.log(h / CELL),
            ),
            -1,
        )[mine]
        weight[mine] = bump[mine] / max(float(bump[mine].sum()), 1e-6)
        heat = np.maximum(heat, bump)
    return heat, maps, weight


def detector_loss(output: Tensor, heat: Tensor, maps: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Returns the detector's loss terms.

    Args:
        output: `[N, 5, H, W]`, of `Detector`.
        heat: `[N, H, W]`, the target heat.
        maps: `[N, H, W, 4]`, the target boxes.
        weight: `[N, H, W]`, of the boxes.

    Returns:
        `heat`: focal loss, reduced near centers (CenterNet); `box`: one minus generalized
        intersection over union, plus the error of the box's four numbers.
    """
    output = output.to(torch.float32)
    logit, box = output[:, 0], output[:, 1:].permute(0, 2, 3, 1)
    p = torch.sigmoid(logit)
    center = (heat == 1).to(torch.float32)
    count = center.sum().clamp(min=1)
    hit = (1 - p) ** 2 * F.logsigmoid(logit) * center
    miss = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logit) * (1 - center)
    cost = F.smooth_l1_loss(box, maps, reduction="none", beta=0.1).sum(-1)
    cost = (cost + 1 - _generalized_iou(box, maps)) * weight
    return {"heat": -(hit + miss).sum() / count, "box": cost.sum() / count}


def _generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """Returns the GIoU of boxes given as offset (in box sides) and log sides, `[..., 4]` each."""
    (a0, a1), (b0, b1) = _corners(a), _corners(b)
    shared = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    union = (a1 - a0).prod(-1) + (b1 - b0).prod(-1) - shared
    hull = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).prod(-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _corners(box: Tensor) -> tuple[Tensor, Tensor]:
    sides = box[..., 2:].clamp(-4, 6).exp()
    center = box[..., :2] * sides
    return center - sides / 2, center + sides / 2


def aligner_loss(output: Tensor, points: Tensor, is_face: Tensor) -> dict[str, Tensor]:
    """Returns the aligner's loss terms.

    Args:
        output: `[N, 11]`, of `Aligner`.
        points: `[N, 5, 2]` in crop sides from the top-left edge.
        is_face: `[N]`, 1 or 0; if 0, the points do not count.

    Returns:
        `points`: wing loss, which emphasizes small errors; the eyes count double.
        `score`: cross-entropy.
    """
    output = output.to(torch.float32)
    error = (output[:, :10].reshape(-1, 5, 2) + 0.5 - points).abs() * ALIGN_SIZE
    steep = WING_REACH * torch.log1p(error / WING_BEND)
    # Makes the two parts meet.
    offset = WING_REACH * float(np.log1p(WING_REACH / WING_BEND)) - WING_REACH
    wing = torch.where(error < WING_REACH, steep, error + offset)
    point_weights = wing.new_tensor([EYE_WEIGHT, EYE_WEIGHT, 1, 1, 1])[None, :, None]
    each = (wing * point_weights).mean((1, 2)) * is_face
    return {
        "points": each.sum() / is_face.sum().clamp(min=1),
        "score": F.binary_cross_entropy_with_logits(output[:, 10], is_face),
    }
