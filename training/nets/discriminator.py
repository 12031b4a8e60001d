"""The discriminator; used in training only, never shipped."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class FeatureDiscriminator(nn.Module):
    """Light heads on the features of a frozen network.

    Source: Sauer et al., *Projected GANs Converge Faster*, 2021.

    The frozen network distinguishes lips from nostrils from the start; a discriminator on pixels
    has to learn that first, which takes more images than a CPU processes in a night.

    Args:
        widths: Channels of each feature map.
        channels: Channels of the heads' hidden layers.
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
        """Scores feature maps.

        Args:
            features: One map `[N, C, H, W]` for each of `widths`.

        Returns:
            One map of scores `[N, 1, H/2, W/2]` for each.
        """
        # The magnitudes of the frozen network's layers differ by orders of magnitude.
        normalized = [x / (x.square().mean(1, keepdim=True) + 1e-3).sqrt() for x in features]
        return [head(x) for head, x in zip(self.heads, normalized, strict=True)]
