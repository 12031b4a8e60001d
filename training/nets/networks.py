"""The reference unmasker: segmentation branch and M-CSAM generator.

After Yang, *Face Mask Removal with Region-attentive Face Inpainting*: a segmentation network finds
the mask (stage one), a generator built of Multi-scale Channel-Spatial Attention Modules fills it
in (stage two).

Both stages work at half the size, and a light sharpener after each brings its answer to full size.
What is under a mask is decided at 128 px as well as at 256, at a quarter of the cost; and what
training learns at 128 px, where it is four times cheaper, is used as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import ConfigError

from .blocks import MCSAM, Residual, Sharpener, conv_bn, halve, upsample


@dataclass(frozen=True)
class UnmaskerConfig:
    """Sizes of the unmasker.

    Attributes:
        size: Side of the square crop in pixels, a multiple of 32.
        channels: Generator channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        blocks: Number of blocks: on the way down at 1/16, at 1/32, on the way up at 1/16.
        block: `mcsam`, or `residual` for plain convolutions: a baseline.
        dilations: Dilation of each M-CSAM branch.
        branch_ratio: Channels of each M-CSAM branch, as a share of the block's.
        segmentation_channels: Channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        sharpener_channels: Channels of the generator's sharpener, at 1/2 of the size.
        sharpener_blocks: Number of residual blocks in the generator's sharpener.
        segmentation: Whether stage one finds the mask. Without it, a baseline, the generator is
            not told where the mask is and paints the whole picture.
    """

    size: int = 256
    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    blocks: tuple[int, int, int] = (1, 6, 1)
    block: str = "mcsam"
    dilations: tuple[int, ...] = (1, 2, 4)
    branch_ratio: float = 0.375
    segmentation_channels: tuple[int, int, int, int] = (16, 24, 32, 48)
    sharpener_channels: int = 32
    sharpener_blocks: int = 1
    segmentation: bool = True

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 32:
            raise ConfigError(f"size must be a multiple of 32, at least 64; got {self.size}")
        widths = (*self.channels, *self.segmentation_channels, self.sharpener_channels)
        if len(self.channels) != 4 or len(self.segmentation_channels) != 4 or min(widths) < 1:
            raise ConfigError(
                "channels and segmentation_channels take 4 positive numbers each, "
                f"sharpener_channels one; got {self}"
            )
        if len(self.blocks) != 3 or min(self.blocks) < 0:
            raise ConfigError(f"blocks takes 3 numbers of 0 or more; got {self.blocks}")
        if self.sharpener_blocks < 1:
            raise ConfigError(f"sharpener_blocks must be at least 1; got {self.sharpener_blocks}")
        if self.block not in ("mcsam", "residual"):
            raise ConfigError(f"block must be mcsam or residual; got {self.block!r}")
        if not 0 < self.branch_ratio <= 1:
            raise ConfigError(f"branch_ratio must be in 0..1; got {self.branch_ratio}")
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f"dilations takes positive numbers; got {self.dilations}")


class Segmenter(nn.Module):
    """Stage one: a light encoder-decoder that predicts the mask.

    `forward` takes `[N, 3, H, H]` in -1..1, H half the crop's size, and gives logits
    `[N, 1, H, H]`.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = channels
        self.down1 = conv_bn(3, a, stride=2)
        self.down2 = nn.Sequential(conv_bn(a, b, stride=2), conv_bn(b, b))
        self.down3 = nn.Sequential(conv_bn(b, c, stride=2), Residual(c))
        self.down4 = nn.Sequential(conv_bn(c, d, stride=2), Residual(d), Residual(d))
        self.up3 = conv_bn(d, c, kernel=1, relu=False)
        self.up2 = nn.Sequential(conv_bn(c, c), conv_bn(c, b, kernel=1, relu=False))
        self.up1 = nn.Sequential(conv_bn(b, b), conv_bn(b, a, kernel=1, relu=False))
        self.head = nn.Sequential(conv_bn(a, a), nn.Conv2d(a, 4, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        half = self.down1(x)
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        y = F.relu(eighth + upsample(self.up3(self.down4(eighth))))
        y = F.relu(quarter + upsample(self.up2(y)))
        y = F.relu(half + upsample(self.up1(y)))
        logits: Tensor = self.head(y)
        return logits


class Generator(nn.Module):
    """Stage two: fills the hole.

    `forward` takes the picture with the hole emptied `[N, 3, H, H]` in -1..1 and the mask
    `[N, 1, H, H]` in 0..1, H half the crop's size, and gives a whole picture `[N, 3, H, H]`,
    nominally in -1..1.

    Crops are aligned, so where a feature lies says what it is: a learnt map is added at the lowest
    resolution, as convolutions alone would have to count pixels from the border.
    """

    def __init__(self, config: UnmaskerConfig) -> None:
        super().__init__()
        a, b, c, d = config.channels
        before, middle, after = config.blocks

        def blocks(channels: int, count: int) -> list[nn.Module]:
            if config.block == "residual":
                return [Residual(channels) for _ in range(count)]
            width = 8 * max(1, round(channels * config.branch_ratio / 8))
            return [MCSAM(channels, width, config.dilations) for _ in range(count)]

        self.down1 = conv_bn(4, a, stride=2)
        self.down2 = nn.Sequential(conv_bn(a, b, stride=2), conv_bn(b, b))
        self.down3 = nn.Sequential(conv_bn(b, c, stride=2), *blocks(c, before))
        self.down4 = conv_bn(c, d, stride=2)
        self.position = nn.Parameter(torch.zeros(1, d, config.size // 32, config.size // 32))
        self.blocks = nn.Sequential(*blocks(d, middle))
        self.up3 = conv_bn(d, c, kernel=1, relu=False)
        self.up2 = nn.Sequential(*blocks(c, after), conv_bn(c, b, kernel=1, relu=False))
        self.up1 = nn.Sequential(conv_bn(b, b), conv_bn(b, a, kernel=1, relu=False))
        self.head = nn.Sequential(conv_bn(a, a), nn.Conv2d(a, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, emptied: Tensor, mask: Tensor) -> Tensor:
        half = self.down1(torch.cat([emptied, mask], 1))
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        y = self.blocks(self.down4(eighth) + self.position)
        y = F.relu(eighth + upsample(self.up3(y)))
        y = F.relu(quarter + upsample(self.up2(y)))
        y = F.relu(half + upsample(self.up1(y)))
        picture: Tensor = self.head(y)
        return picture


def soft_threshold(probability: Tensor) -> Tensor:
    """Turns mask probability into opacity that is exactly 0 outside and exactly 1 inside.

    A probability of 0.97 inside the mask would let 3 % of its colour through, and a pixel that the
    mask covers by a fifth must go too, or a thin rim of mask stays behind. Opacity therefore leaves
    0 at 0.05 and reaches 1 at 0.2: where the network is sure of the edge that widens the mask by
    less than a pixel, where it is not, by as much as it doubts.
    """
    return ((probability - 0.05) * (1 / 0.15)).clamp(0.0, 1.0)


def binarize(probability: Tensor) -> Tensor:
    """Says what is mask: 0 up to a probability of 0.4, above 0 beyond, 1 from 0.6.

    IoU is best at 0.4 to 0.5, whatever the type of mask.
    """
    return ((probability - 0.4) * (1 / 0.2)).clamp(0.0, 1.0)


class UnmaskerNet(nn.Module):
    """Both stages on normalised pictures; what training works with.

    Pictures of half the size go through the half-size networks alone: the first leg of training.
    """

    def __init__(self, config: UnmaskerConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.sharpener = Sharpener(3, 4, config.sharpener_channels, config.sharpener_blocks)
        if config.segmentation:
            self.segmenter = Segmenter(config.segmentation_channels)
            self.mask_sharpener = Sharpener(1, 3, config.segmentation_channels[0])

    def segment(self, image: Tensor) -> Tensor:
        """Logits `[N, 1, S, S]` of the mask on `image` (`[N, 3, S, S]`, -1..1)."""
        logits: Tensor
        if self._is_half(image):
            logits = self.segmenter(image)
        else:
            logits = self.mask_sharpener(self.segmenter(halve(image)), image)
        return logits

    def inpaint(self, image: Tensor, opacity: Tensor) -> Tensor:
        """Fills the hole `opacity` (`[N, 1, S, S]`, 0..1) of `image` (`[N, 3, S, S]`, -1..1)."""
        picture: Tensor
        emptied = image * (1.0 - opacity)
        if self._is_half(image):
            picture = self.generator(emptied, opacity)
        else:
            # A half-size pixel that is partly hole is hole: nothing of it may shine through.
            hole = F.max_pool2d(opacity, 2)
            coarse = self.generator(halve(image) * (1.0 - hole), hole)
            picture = self.sharpener(coarse, torch.cat([emptied, opacity], 1))
        return picture

    def hole_mask(self, probability: Tensor) -> Tensor:
        """How much of each pixel is generated (0..1), by the probability that it is mask (0..1).

        At full size a pixel more is opened all round the mask: photos hold a bright or dark line
        along a mask's hem, shadow or the camera's own sharpening, that is neither mask nor skin.
        """
        if not self._is_half(probability):
            probability = F.max_pool2d(probability, 3, stride=1, padding=1)
        return soft_threshold(probability)

    def inpaint_soft(self, image: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Fills what is probably mask (0..1): the whole picture, and how much of it to show.

        At full size two pixels more are shown than were opened: the line along a hem is that wide
        in sharp photos. The generator sees these pixels and paints them again, without the line, as
        the masks that it learnt from had none there.
        """
        opacity = self.hole_mask(probability)
        picture = self.inpaint(image, opacity)
        if not self._is_half(opacity):
            opacity = F.max_pool2d(opacity, 5, stride=1, padding=2)
        return picture, opacity

    def _is_half(self, image: Tensor) -> bool:
        return image.shape[-1] == self.config.size // 2

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gives the generated picture (-1..1, whole), how much of it to show, and the mask (0..1).

        The mask is above 0 on mask only, and shows the generated picture there in full.
        """
        if not self.config.segmentation:
            nothing = torch.zeros_like(image[:, :1])
            return self.inpaint(image, nothing), nothing + 1.0, nothing + 1.0
        probability = torch.sigmoid(self.segment(image))
        return (*self.inpaint_soft(image, probability), binarize(probability))
