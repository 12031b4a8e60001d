"""A perceptual distance for evaluation: EfficientNet-Lite0, which is not used in training.

After Zhang et al., *The Unreasonable Effectiveness of Deep Features* (2018): features of several
depths, each position scaled to unit length, squared differences, here without learned weights and
averaged over the hole only. Lower is better; the values compare only with each other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.core.arrays import UInt8Array

from .efficientnet import load_efficientnet, normalize

# Blocks whose outputs are compared: strides 2, 4, 8, 16, 16.
TAPS = (0, 2, 4, 7, 10)


class PerceptualDistance:
    """Measures the distance of two crops inside the hole.

    Raises:
        MissingDependencyError: If the packages with network and weights are not installed.
    """

    def __init__(self) -> None:
        self._network = load_efficientnet("the perceptual distance")

    def _features(self, image: UInt8Array) -> list[Tensor]:
        x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        x = normalize(x)
        net = self._network
        x = net._swish(net._bn0(net._conv_stem(x)))
        features = []
        for index, block in enumerate(net._blocks[: TAPS[-1] + 1]):
            x = block(x)
            if index in TAPS:
                features.append(F.normalize(x, dim=1))
        return features

    @torch.inference_mode()
    def __call__(self, image: UInt8Array, truth: UInt8Array, hole: UInt8Array) -> float:
        """Returns the distance of two crops, uint8 `[H, W, 3]`, in `hole`, uint8 `[H, W]`."""
        weight = torch.from_numpy(hole)[None, None].float() / 255
        total = 0.0
        for a, b in zip(self._features(image), self._features(truth), strict=True):
            w = F.interpolate(weight, size=a.shape[-2:], mode="area")
            total += float(((a - b).square().sum(1, keepdim=True) * w).sum() / w.sum().clamp(1e-6))
        return total / len(TAPS)
