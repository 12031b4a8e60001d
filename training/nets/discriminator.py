"""The discriminator: used in training only, never shipped."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class FeatureDiscriminator(nn.Module):
    """Light heads on the features of a fixed network, after *Projected GANs* (Sauer et al., 2021).

    The fixed network can tell lips from nostrils from the start; a discriminator that begins with
    pixels has to learn that first, which takes more pictures than a CPU sees in a night.
    `forward` takes feature maps `[N, C, H, W]`, one for each of `widths`, and gives a map of scores
    `[N, 1, H/2, W/2]` for each.
    """

    def __init__(self, widths: Sequence[int], channels: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, channels, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(channels, channels, 4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(channels, channels, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)),
            )
            for width in widths
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        # The fixed network's activations differ by orders of magnitude.
        normal = [x / (x.square().mean(1, keepdim=True) + 1e-3).sqrt() for x in features]
        return [head(x) for head, x in zip(self.heads, normal, strict=True)]
