"""Differentiable color changes of what the discriminator sees.

Source: Zhao et al., *Differentiable Augmentation for Data-Efficient GAN Training*, 2020. A few
thousand real faces are soon known by heart; changed at random each time, they are not. Generated
and real image are changed alike, and gradients pass through the change to the generator. Their
translation is the moving window of `Perceptual.compare`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Ranges of the changes: added to images in -1..1; factors of the distance to gray, and to the mean.
BRIGHTNESS = (-0.25, 0.25)
SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)


def change_colors(
    generated: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Changes brightness, saturation and contrast of each pair of images.

    Args:
        generated: `[N, 3, H, W]`, nominally in -1..1.
        target: `[N, 3, H, W]`, changed like `generated`.
        rng: Decides the changes.

    Returns:
        Both, in the same shape; values may leave -1..1.
    """
    count = len(target)
    drawn = [rng.uniform(*limits, count) for limits in (BRIGHTNESS, SATURATION, CONTRAST)]
    brightness, saturation, contrast = (
        torch.from_numpy(x.astype(np.float32)).to(target.device).view(count, 1, 1, 1) for x in drawn
    )
    mean = target.mean((1, 2, 3), keepdim=True)

    def change(image: Tensor) -> Tensor:
        gray = image.mean(1, keepdim=True)
        image = gray + saturation * (image - gray)
        return mean + contrast * (image - mean) + brightness

    return change(generated), change(target)
