"""The discriminator; used in training only, never shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

# Half of the crop's resolution, where a mouth's shape is judged, and all of it, where skin is.
SCALES = 2


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminator.

    Attributes:
        widths: Channels of each feature map of the frozen network.
        channels: Channels of the heads' hidden layers.
    """

    widths: tuple[int, ...]
    channels: int = 64


def _head(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(width, channels, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(channels, channels, 4, stride=2, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(channels, channels, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)),
    )


class FeatureDiscriminator(nn.Module):
    """Light heads on the features of a frozen network, separate ones for each scale.

    Source: Sauer et al., *Projected GANs Converge Faster*, 2021.

    The frozen network distinguishes lips from nostrils from the start; a discriminator on pixels
    has to learn that first, which takes more images than a CPU processes in a night.

    Args:
        config: Its sizes.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.heads = nn.ModuleList(
            nn.ModuleList(_head(width, config.channels) for width in config.widths)
            for _ in range(SCALES)
        )

    def forward(self, features: Sequence[Tensor], scale: int) -> list[Tensor]:
        """Scores feature maps.

        Args:
            features: One map `[N, C, H, W]` for each of `widths`.
            scale: 0 for images at half of the crop's resolution, 1 for all of it.

        Returns:
            One map of scores `[N, 1, H/2, W/2]` for each.
        """
        # The magnitudes of the frozen network's layers differ by orders of magnitude.
        normalized = [x / (x.square().mean(1, keepdim=True) + 1e-3).sqrt() for x in features]
        heads = self.heads[scale]
        assert isinstance(heads, nn.ModuleList)
        return [head(x) for head, x in zip(heads, normalized, strict=True)]
