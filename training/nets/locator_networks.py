"""The two networks of the locator: the detector finds faces, the aligner predicts their points.

Both are small convolutional networks for edge runtimes, built of `blocks`. The exported graphs
take uint8 images, so that no caller can get the normalization wrong.

Names of child modules are keys of the weight files and must not change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.errors import ConfigError

from .blocks import Residual, conv_bn

# Few cells hold a face: the heat starts near this probability, which keeps early training stable.
PRIOR = 0.01
MEAN_LOG_SIDE = 2.0


@dataclass(frozen=True)
class DetectorConfig:
    """Sizes of the detector.

    Attributes:
        channels: Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image.
    """

    channels: tuple[int, int, int, int, int] = (16, 24, 48, 56, 56)

    def __post_init__(self) -> None:
        if len(self.channels) != 5 or min(self.channels) < 1:
            raise ConfigError(f"channels takes 5 positive numbers; got {self.channels}")


@dataclass(frozen=True)
class AlignerConfig:
    """Sizes of the aligner.

    Attributes:
        channels: Channels at 1/2, 1/4, 1/8 and 1/16 of the crop.
        neck: Input channels of the last layer, which sees the complete crop.
    """

    channels: tuple[int, int, int, int] = (16, 32, 64, 64)
    neck: int = 32

    def __post_init__(self) -> None:
        if len(self.channels) != 4 or min(*self.channels, self.neck) < 1:
            raise ConfigError(
                f"channels takes 4 positive numbers and neck one; got {self.channels}, {self.neck}"
            )


def _planes(image: Tensor) -> Tensor:
    """Converts uint8 `[N, H, W, 3]` to float `[N, 3, H, W]` in -1..1."""
    # Cast before permuting: TensorRT refuses uint8 into Transpose.
    pixels = image.to(torch.float32).permute(0, 3, 1, 2).contiguous()
    return pixels * (1.0 / 127.5) - 1.0


class Detector(nn.Module):
    """Predicts for every cell of 8x8 pixels whether a face is centered near it, and its box."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        a, b, c, d, e = config.channels
        self.down2 = nn.Sequential(conv_bn(3, a, stride=2), conv_bn(a, b, stride=2), conv_bn(b, b))
        self.down3 = nn.Sequential(conv_bn(b, c, stride=2), Residual(c))
        self.down4 = nn.Sequential(conv_bn(c, d, stride=2), Residual(d))
        self.down5 = nn.Sequential(conv_bn(d, e, stride=2), Residual(e))
        self.up4 = conv_bn(e, d, kernel=1, relu=False)
        self.up3 = nn.Sequential(conv_bn(d, d), conv_bn(d, c, kernel=1, relu=False))
        last = nn.Conv2d(c, 5, 1)
        prior = math.log(PRIOR / (1 - PRIOR))
        last.bias = nn.Parameter(torch.tensor([prior, 0, 0, MEAN_LOG_SIDE, MEAN_LOG_SIDE]))
        self.head = nn.Sequential(conv_bn(c, c), last)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, 3, H, W]` in -1..1, sides multiples of 32, to `[N, 5, H/8, W/8]`.

        The five planes are the heat's logit, the offset x and y of the box's center from the
        cell's center in widths and heights of the box, and the natural logarithms of the box's
        width and height in cells.
        """
        eighth = self.down3(self.down2(x))
        sixteenth = self.down4(eighth)
        y = self.up4(self.down5(sixteenth))
        y = F.relu(sixteenth + F.interpolate(y, scale_factor=2.0, mode="nearest"))
        y = F.relu(eighth + F.interpolate(self.up3(y), scale_factor=2.0, mode="nearest"))
        maps: Tensor = self.head(y)
        return maps


class Aligner(nn.Module):
    """Predicts five points in a crop around a face, and whether it is a face."""

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        a, b, c, d = config.channels
        self.body = nn.Sequential(
            conv_bn(3, a, stride=2),
            conv_bn(a, b, stride=2),
            Residual(b),
            conv_bn(b, c, stride=2),
            Residual(c),
            conv_bn(c, d, stride=2),
            Residual(d),
            conv_bn(d, config.neck, kernel=1),
            # A convolution over the complete map: the only layer that depends on the position.
            nn.Conv2d(config.neck, 11, ALIGN_SIZE // 16),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, 3, 112, 112]` in -1..1 to `[N, 11]`.

        The values are five (x, y) in crop sides from the crop's center (image-left eye,
        image-right eye, nose tip, image-left and image-right mouth corner), then the logit of
        being a face.
        """
        values: Tensor = self.body(x)
        return values.flatten(1)


class DetectorGraph(nn.Module):
    """The detector as exported.

    `image` uint8 `[N, H, W, 3]` RGB, H and W multiples of 32, gives two float32 tensors: `heat`
    `[N, H/8, W/8]`, 0..1, and `box` `[N, H/8, W/8, 4]`: offset x, offset y (in box sides from the
    cell's center), log width, log height (in cells of 8 px).
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.detector = Detector(config)

    def maps(self, image: Tensor) -> Tensor:
        """Returns `[N, 5, H/8, W/8]`, the detector's output in the form that the loss takes."""
        maps: Tensor = self.detector(_planes(image))
        return maps

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `image` to `heat` and `box`, as the class describes."""
        maps = self.maps(image).to(torch.float32)
        return torch.sigmoid(maps[:, 0]), maps[:, 1:].permute(0, 2, 3, 1).contiguous()


class AlignerGraph(nn.Module):
    """The aligner as exported.

    `image` uint8 `[N, 112, 112, 3]` RGB gives two float32 tensors: `points` `[N, 5, 2]`, (x, y) in
    crop sides from the crop's top-left edge, so that 0.5 is its center; and `score` `[N]`, 0..1.
    """

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        self.aligner = Aligner(config)

    def values(self, image: Tensor) -> Tensor:
        """Returns `[N, 11]`, the aligner's output in the form that the loss takes."""
        values: Tensor = self.aligner(_planes(image))
        return values

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `image` to `points` and `score`, as the class describes."""
        values = self.values(image).to(torch.float32)
        return values[:, :10].reshape(-1, 5, 2) + 0.5, torch.sigmoid(values[:, 10])
