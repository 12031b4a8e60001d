"""What the detector's and the aligner's answers should have been, and how far off they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.core.arrays import Float32Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.faces.detector_postprocess import CELL

# Spread of the heat round a face's centre, over the face's mean side.
SPREAD = 0.1
MIN_SPREAD = 0.45
# Cells this hot or hotter also learn the box.
BOX_HEAT = 0.4
# In pixels of the crop: below `WING_BEND` the loss is steep, above `WING_REACH` it is linear.
WING_REACH, WING_BEND = 5.0, 1.0
EYE_WEIGHT = 2.0


def detector_targets(
    boxes: Float32Array, cells: int
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Turns the boxes of one square picture into maps.

    Args:
        boxes: float32 `[N, 4]` (x0, y0, x1, y1) in pixels.
        cells: Side of the maps.

    Returns:
        Heat float32 `[cells, cells]`, exactly 1 at the cells nearest to centres; boxes float32
        `[cells, cells, 4]` as `locator.decode` reads them; and the weight of each cell's box
        `[cells, cells]`, which sums to 1 over the cells of one face.
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


def detector_loss(answer: Tensor, heat: Tensor, maps: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Gives the detector's loss terms.

    Args:
        answer: `[N, 5, H, W]`, as `Detector` gives it.
        heat: `[N, H, W]`, the wanted heat.
        maps: `[N, H, W, 4]`, the wanted boxes.
        weight: `[N, H, W]`.

    Returns:
        `heat`: focal loss that is lenient near centres (CenterNet); `box`: one minus generalised
        intersection over union, plus the error in the box's four numbers.
    """
    answer = answer.to(torch.float32)
    logit, box = answer[:, 0], answer[:, 1:].permute(0, 2, 3, 1)
    p = torch.sigmoid(logit)
    centre = (heat == 1).to(torch.float32)
    count = centre.sum().clamp(min=1)
    hit = (1 - p) ** 2 * F.logsigmoid(logit) * centre
    miss = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logit) * (1 - centre)
    cost = F.smooth_l1_loss(box, maps, reduction="none", beta=0.1).sum(-1)
    cost = (cost + 1 - _generalised_overlap(box, maps)) * weight
    return {"heat": -(hit + miss).sum() / count, "box": cost.sum() / count}


def _generalised_overlap(a: Tensor, b: Tensor) -> Tensor:
    """GIoU of boxes given as offset (in box sides) and log sides, `[..., 4]` each."""
    (a0, a1), (b0, b1) = _corners(a), _corners(b)
    shared = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    union = (a1 - a0).prod(-1) + (b1 - b0).prod(-1) - shared
    hull = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).prod(-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _corners(box: Tensor) -> tuple[Tensor, Tensor]:
    sides = box[..., 2:].clamp(-4, 6).exp()
    centre = box[..., :2] * sides
    return centre - sides / 2, centre + sides / 2


def aligner_loss(answer: Tensor, points: Tensor, is_face: Tensor) -> dict[str, Tensor]:
    """Gives the aligner's loss terms.

    Args:
        answer: `[N, 11]`, as `Aligner` gives it.
        points: `[N, 5, 2]` in crop sides from the top-left edge.
        is_face: `[N]`, 1 or 0; without a face the points do not count.

    Returns:
        `points`: wing loss, in which small errors weigh more than by their size, the eyes double;
        `score`: cross-entropy.
    """
    answer = answer.to(torch.float32)
    off = (answer[:, :10].reshape(-1, 5, 2) + 0.5 - points).abs() * ALIGN_SIZE
    bent = WING_REACH * torch.log1p(off / WING_BEND)
    seam = WING_REACH * float(np.log1p(WING_REACH / WING_BEND)) - WING_REACH
    wing = torch.where(off < WING_REACH, bent, off + seam)
    shares = wing.new_tensor([EYE_WEIGHT, EYE_WEIGHT, 1, 1, 1])[None, :, None]
    each = (wing * shares).mean((1, 2)) * is_face
    return {
        "points": each.sum() / is_face.sum().clamp(min=1),
        "score": F.binary_cross_entropy_with_logits(answer[:, 10], is_face),
    }
