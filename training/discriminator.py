"""The patch discriminator: used in training only, never shipped."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Spectrally normalised PatchGAN that sees the picture and where the hole is.

    `forward` takes `[N, 3, S, S]` in -1..1 and the hole `[N, 1, S, S]`; it gives patch scores
    `[N, 1, S/8, S/8]` and the feature maps on the way, for feature matching.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = [4, channels, channels * 2, channels * 4]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths)
        )
        self.last = spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, picture: Tensor, hole: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = torch.cat([picture, hole], 1)
        features = []
        for layer in [*self.layers, self.last]:
            x = nn.functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features
