"""The reference unmasker: segmentation network and M-CSAM generator.

Source: Yang, *Face Mask Removal with Region-attentive Face Inpainting*. A segmentation network
finds the mask (stage one), and a generator built of Multi-scale Channel-Spatial Attention Modules
inpaints it (stage two).

Both stages work at half size, and a light sharpener after each brings its prediction to full size.
What is under a mask can be predicted at 128 px as well as at 256, at a quarter of the cost; and
what training learns at 128 px, where it is four times cheaper, is used unchanged.

Names of child modules and parameters are keys of the weight files and must not change.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask_sdk.errors import ConfigError

from .blocks import MCSAM, Residual, Sharpener, conv_bn, downsample, upsample


@dataclass(frozen=True)
class UnmaskerConfig:
    """Sizes of the unmasker.

    Attributes:
        size: Side of the square crop in pixels, a multiple of 32.
        channels: Generator channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        blocks: Number of blocks in the encoder at 1/16, at 1/32, and in the decoder at 1/16.
        block: `mcsam`, or `residual` for plain convolutions, a baseline.
        dilations: Dilation of each M-CSAM branch.
        branch_ratio: Channels of each M-CSAM branch, as a fraction of the block's.
        segmentation_channels: Channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        sharpener_channels: Channels of the generator's sharpener, at 1/2 of the size.
        sharpener_blocks: Number of residual blocks in the generator's sharpener.
        segmentation: Whether stage one finds the mask. Without it, a baseline, the generator does
            not know where the mask is and generates the complete image.
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

    Args:
        channels: Channels at 1/4, 1/8, 1/16 and 1/32 of the crop's size.
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
        """Maps `[N, 3, H, H]` in -1..1, H half the crop's size, to logits `[N, 1, H, H]`."""
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

    Crops are aligned, so the position of a feature says what it is. A learned position map is
    added at the lowest resolution, because convolutions alone would have to count pixels from the
    border.
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
        """Generates an image.

        Args:
            emptied: The image with zeros in the hole, `[N, 3, H, H]` in -1..1, H half the crop's
                size.
            mask: The hole, `[N, 1, H, H]` in 0..1.

        Returns:
            The complete image `[N, 3, H, H]`, nominally in -1..1.
        """
        half = self.down1(torch.cat([emptied, mask], 1))
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        y = self.blocks(self.down4(eighth) + self.position)
        y = F.relu(eighth + upsample(self.up3(y)))
        y = F.relu(quarter + upsample(self.up2(y)))
        y = F.relu(half + upsample(self.up1(y)))
        generated: Tensor = self.head(y)
        return generated


def soft_threshold(probability: Tensor) -> Tensor:
    """Turns mask probability (0..1) into opacity that is exactly 0 outside and exactly 1 inside.

    A probability of 0.97 inside the mask would let 3 % of its color through, and a pixel that the
    mask covers by a fifth has to be replaced too, or a thin rim of mask remains. Opacity therefore
    leaves 0 at 0.05 and reaches 1 at 0.2. That widens the mask by less than a pixel where the
    network is sure of the edge, and by more where it is not.
    """
    return ((probability - 0.05) * (1 / 0.15)).clamp(0.0, 1.0)


def binarize(probability: Tensor) -> Tensor:
    """Turns mask probability (0..1) into the mask: 0 up to 0.4, linear up to 1 at 0.6.

    IoU is best at a threshold of 0.4 to 0.5, for every type of mask.
    """
    return ((probability - 0.4) * (1 / 0.2)).clamp(0.0, 1.0)


class UnmaskerNet(nn.Module):
    """Both stages on normalized images, as training uses them.

    Images of half the crop's size go through the half-size networks alone: the first stages of
    training.
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
        """Returns logits `[N, 1, S, S]` of the mask on `image` (`[N, 3, S, S]`, -1..1)."""
        logits: Tensor
        if self._is_half(image):
            logits = self.segmenter(image)
        else:
            logits = self.mask_sharpener(self.segmenter(downsample(image)), image)
        return logits

    def inpaint(self, image: Tensor, opacity: Tensor) -> Tensor:
        """Generates a complete image from what is outside the hole.

        Args:
            image: `[N, 3, S, S]`, -1..1.
            opacity: The hole, `[N, 1, S, S]`, 0..1.

        Returns:
            The generated image `[N, 3, S, S]`, nominally in -1..1.
        """
        generated: Tensor
        emptied = image * (1.0 - opacity)
        if self._is_half(image):
            generated = self.generator(emptied, opacity)
        else:
            # A half-size pixel that is partly hole is hole: nothing of it may shine through.
            hole = F.max_pool2d(opacity, 2)
            coarse = self.generator(downsample(image) * (1.0 - hole), hole)
            generated = self.sharpener(coarse, torch.cat([emptied, opacity], 1))
        return generated

    @torch.no_grad()
    def remove_checkerboard(self) -> None:
        """Takes out of the weights what would be a checkerboard of pixels in the generated image.

        Pixel shuffle lets each of the four pixels of a block go its own way, and a discriminator
        with strides hardly sees it if they do: lips become dotted. After each training step the
        part of the last convolutions that alternates within the block is removed.
        """
        for shuffled in (self.generator.head[1], self.sharpener.body[-2]):
            assert isinstance(shuffled, nn.Conv2d)
            assert shuffled.bias is not None
            for values in (shuffled.weight, shuffled.bias):
                blocks = torch.unflatten(values, 0, (3, 4))
                sign = blocks.new_tensor([1.0, -1.0, -1.0, 1.0]).view(4, *[1] * (values.ndim - 1))
                blocks -= sign * (sign * blocks).mean(1, keepdim=True)

    def hole_mask(self, probability: Tensor) -> Tensor:
        """Returns how much of each pixel is hole (0..1), from its mask probability (0..1).

        At full size the hole is one pixel wider than the mask on every side: photos have a bright
        or dark line along a mask's edge, from shadow or from the camera's sharpening, that is
        neither mask nor skin.
        """
        if not self._is_half(probability):
            probability = F.max_pool2d(probability, 3, stride=1, padding=1)
        return soft_threshold(probability)

    def inpaint_soft(self, image: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Inpaints where the mask probability is high.

        At full size the generated image is shown two pixels beyond the hole, because the line
        along a mask's edge is that wide in sharp photos. The generator sees these pixels and
        generates them again without the line, as the masks that it was trained on have none there.

        Args:
            image: `[N, 3, S, S]`, -1..1.
            probability: Of being mask, `[N, 1, S, S]`, 0..1.

        Returns:
            The generated image `[N, 3, S, S]`, and its opacity `[N, 1, S, S]`, 0..1.
        """
        opacity = self.hole_mask(probability)
        generated = self.inpaint(image, opacity)
        if not self._is_half(opacity):
            opacity = F.max_pool2d(opacity, 5, stride=1, padding=2)
        return generated, opacity

    def _is_half(self, image: Tensor) -> bool:
        return image.shape[-1] == self.config.size // 2

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Segments and inpaints `image` (`[N, 3, S, S]`, -1..1).

        Returns:
            The generated image `[N, 3, S, S]` (-1..1), its opacity `[N, 1, S, S]` (0..1), and the
            mask `[N, 1, S, S]` (0..1), which is above 0 only where the opacity is 1.
        """
        if not self.config.segmentation:
            nothing = torch.zeros_like(image[:, :1])
            return self.inpaint(image, nothing), nothing + 1.0, nothing + 1.0
        probability = torch.sigmoid(self.segment(image))
        return (*self.inpaint_soft(image, probability), binarize(probability))
