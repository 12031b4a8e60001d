"""Region-attentive supervision: every term looks only at the hole and the band round its seam.

All pictures are `[N, 3, S, S]` in -1..1, all masks `[N, 1, S, S]` in 0..1. `valid` is 1 where the
source picture has data; nothing outside it counts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_EPS = 1e-6


def seam_band(hole: Tensor, width: int) -> Tensor:
    """The band outside the hole, `width` pixels wide."""
    size = 2 * width + 1
    # A row and a column in turn: the same maximum at an eighth of the cost.
    wide = F.max_pool2d(hole, (1, size), stride=1, padding=(0, width))
    return F.max_pool2d(wide, (size, 1), stride=1, padding=(width, 0)) - hole


def region_weight(
    hole: Tensor, valid: Tensor, *, seam: float, context: float, band: int | None = None
) -> Tensor:
    """Weight per pixel: 1 in the hole, `seam` in the band round it, `context` elsewhere."""
    band = band or max(2, hole.shape[-1] // 32)
    return valid * (hole + seam * seam_band(hole, band) + context * (1 - hole))


def reconstruction(picture: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute error."""
    return ((picture - truth).abs() * weight).sum() / (3 * weight.sum() + _EPS)


def segmentation(logits: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice.

    Every pixel counts: masks are drawn beyond the source picture's data too, so they are exact
    even there, and the segmenter must not see masks in a repeated border.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, mask)
    probability = torch.sigmoid(logits)
    overlap = (probability * mask).sum((1, 2, 3))
    present = mask.sum((1, 2, 3))
    # A picture without a mask has no overlap to score; entropy alone teaches it.
    dice = (1 - (2 * overlap + 1) / (probability.sum((1, 2, 3)) + present + 1)) * (present > 0)
    return entropy + dice.mean()


def discriminator_hinge(real: list[Tensor], fake: list[Tensor], region: Tensor) -> Tensor:
    """Hinge loss of the discriminator: the mean over its maps of scores, each within `region`."""
    pairs = zip(real, fake, strict=True)
    maps = [F.relu(1 - r.float()) + F.relu(1 + f.float()) for r, f in pairs]
    return torch.stack([_within(score, region) for score in maps]).mean()


def generator_hinge(fake: list[Tensor], region: Tensor) -> Tensor:
    """Hinge loss of the generator: the mean over the maps of scores, each within `region`."""
    return -torch.stack([_within(score.float(), region) for score in fake]).mean()


def _within(score: Tensor, region: Tensor) -> Tensor:
    weight = F.interpolate(region, size=score.shape[-2:], mode="area")
    return (score * weight).sum() / (weight.sum() + _EPS)
