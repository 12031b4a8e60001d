"""Region-attentive supervision: every loss covers only the hole and the band around its seam.

All images are `[N, 3, S, S]` in -1..1, all masks `[N, 1, S, S]` in 0..1. `valid` is 1 where the
source image has data; pixels outside it do not count.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_EPS = 1e-6


def seam_band(hole: Tensor, width: int) -> Tensor:
    """Returns the band outside the hole, `width` pixels wide."""
    size = 2 * width + 1
    # Rows, then columns: the same maximum at an eighth of the cost.
    dilated = F.max_pool2d(hole, (1, size), stride=1, padding=(0, width))
    return F.max_pool2d(dilated, (size, 1), stride=1, padding=(width, 0)) - hole


def region_weight(
    hole: Tensor, valid: Tensor, *, seam: float, context: float, band: int | None = None
) -> Tensor:
    """Returns the weight of each pixel: 1 in the hole, `seam` around it, `context` elsewhere.

    Args:
        hole: What the generator inpaints.
        valid: Where the source image has data.
        seam: Weight of the band around the hole.
        context: Weight of everything else.
        band: Width of the band in pixels; None is 1/32 of the image, at least 2.
    """
    band = band or max(2, hole.shape[-1] // 32)
    return valid * (hole + seam * seam_band(hole, band) + context * (1 - hole))


def reconstruction(generated: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean absolute error."""
    return ((generated - target).abs() * weight).sum() / (3 * weight.sum() + _EPS)


def segmentation(logits: Tensor, mask: Tensor) -> Tensor:
    """Returns binary cross-entropy plus soft Dice.

    Every pixel counts: masks are drawn beyond the source image's data too, so they are exact even
    there, and the segmenter must not find masks in a replicated border.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, mask)
    probability = torch.sigmoid(logits)
    overlap = (probability * mask).sum((1, 2, 3))
    present = mask.sum((1, 2, 3))
    # An image without a mask has no overlap to score; only the entropy counts there.
    dice = (1 - (2 * overlap + 1) / (probability.sum((1, 2, 3)) + present + 1)) * (present > 0)
    return entropy + dice.mean()


def discriminator_hinge(real: list[Tensor], fake: list[Tensor], region: Tensor) -> Tensor:
    """Returns the discriminator's hinge loss: the mean over its score maps, within `region`."""
    pairs = zip(real, fake, strict=True)
    maps = [F.relu(1 - r.float()) + F.relu(1 + f.float()) for r, f in pairs]
    return torch.stack([_region_mean(score, region) for score in maps]).mean()


def generator_hinge(fake: list[Tensor], region: Tensor) -> Tensor:
    """Returns the generator's hinge loss: the mean over the score maps, within `region`."""
    return -torch.stack([_region_mean(score.float(), region) for score in fake]).mean()


def _region_mean(score: Tensor, region: Tensor) -> Tensor:
    weight = F.interpolate(region, size=score.shape[-2:], mode="area")
    return (score * weight).sum() / (weight.sum() + _EPS)
