"""The reference unmasker: segmentation branch, M-CSAM generator, and the graph that is shipped.

After Yang, *Face Mask Removal with Region-attentive Face Inpainting*: a segmentation network finds
the mask (stage one), a generator built of Multi-scale Channel-Spatial Attention Modules fills it
in (stage two). Shapes are chosen for edge runtimes: plain and dilated 3x3 convolutions with batch
norm that folds, ReLU, additive skips, nearest upsampling, pixel-shuffle heads at half resolution.

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

# Batch statistics of masked pictures swing from batch to batch; a slow average is steadier.
BN_MOMENTUM = 0.02


@dataclass(frozen=True)
class UnmaskerConfig:
    """Sizes of the unmasker.

    Attributes:
        size: Side of the square crop in pixels, a multiple of 32.
        channels: Generator channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        blocks: Number of blocks: on the way down at 1/16, at 1/32, on the way up at 1/16.
        fine_blocks: Number of plain residual blocks on the way up at 1/8.
        block: `mcsam`, or `residual` for plain convolutions: a baseline.
        dilations: Dilation of each M-CSAM branch.
        branch_ratio: Channels of each M-CSAM branch, as a share of the block's.
        segmentation_channels: Channels at 1/4, 1/8, 1/16 and 1/32 of the size.
        sharpener_channels: Channels of the generator's sharpener, at 1/2 of the size.
        segmentation: Whether stage one finds the mask. Without it, a baseline, the generator is
            not told where the mask is and paints the whole picture.
    """

    size: int = 256
    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    blocks: tuple[int, int, int] = (1, 6, 1)
    fine_blocks: int = 0
    block: str = "mcsam"
    dilations: tuple[int, ...] = (1, 2, 4)
    branch_ratio: float = 0.375
    segmentation_channels: tuple[int, int, int, int] = (16, 24, 32, 48)
    sharpener_channels: int = 32
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
        if len(self.blocks) != 3 or min(*self.blocks, self.fine_blocks) < 0:
            raise ConfigError(
                "blocks takes 3 numbers of 0 or more, fine_blocks one; got "
                f"{self.blocks} and {self.fine_blocks}"
            )
        if self.block not in ("mcsam", "residual"):
            raise ConfigError(f"block must be mcsam or residual; got {self.block!r}")
        if not 0 < self.branch_ratio <= 1:
            raise ConfigError(f"branch_ratio must be in 0..1; got {self.branch_ratio}")
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f"dilations takes positive numbers; got {self.dilations}")


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """A convolution that keeps the size (over stride), its batch norm, and ReLU if asked."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(outputs, momentum=BN_MOMENTUM),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(channels, channels), conv_bn(channels, channels, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class MCSAM(nn.Module):
    """Multi-scale Channel-Spatial Attention Module (paper, section on the generator).

    Parallel 3x3 convolutions of several dilations see the surroundings at several scales and are
    fused by a 1x1 convolution. Channel attention then says what matters, spatial attention where;
    the result is added to the input. The 1x1 reduction before each branch keeps the 3x3
    convolutions dense and narrow, which CPUs and GPUs run several times faster than depthwise.
    """

    def __init__(self, channels: int, branch_channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                conv_bn(channels, branch_channels, kernel=1),
                conv_bn(branch_channels, branch_channels, dilation=dilation),
            )
            for dilation in dilations
        )
        self.fuse = conv_bn(branch_channels * len(dilations), channels, kernel=1, relu=False)
        hidden = max(8, channels // 8)
        self.what = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
        )
        self.where = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fuse(torch.cat([branch(x) for branch in self.branches], 1))
        pooled = torch.cat([y.mean((2, 3), keepdim=True), y.amax((2, 3), keepdim=True)], 1)
        y = y * torch.sigmoid(self.what(pooled))
        flat = torch.cat([y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1)
        y = y * torch.sigmoid(self.where(flat))
        return F.relu(x + y)


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


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
        y = F.relu(eighth + _upsample(self.up3(self.down4(eighth))))
        y = F.relu(quarter + _upsample(self.up2(y)))
        y = F.relu(half + _upsample(self.up1(y)))
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
        self.up1 = nn.Sequential(
            *(Residual(b) for _ in range(config.fine_blocks)),
            conv_bn(b, b),
            conv_bn(b, a, kernel=1, relu=False),
        )
        self.head = nn.Sequential(conv_bn(a, a), nn.Conv2d(a, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, emptied: Tensor, mask: Tensor) -> Tensor:
        half = self.down1(torch.cat([emptied, mask], 1))
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        y = self.blocks(self.down4(eighth) + self.position)
        y = F.relu(eighth + _upsample(self.up3(y)))
        y = F.relu(quarter + _upsample(self.up2(y)))
        y = F.relu(half + _upsample(self.up1(y)))
        picture: Tensor = self.head(y)
        return picture


def harden(probability: Tensor) -> Tensor:
    """Turns mask probability into opacity that is exactly 0 outside and exactly 1 inside.

    A probability of 0.97 inside the mask would let 3 % of its colour through, and a pixel that the
    mask covers by a fifth must go too, or a thin rim of mask stays behind. Opacity therefore leaves
    0 at 0.05 and reaches 1 at 0.2: where the network is sure of the edge that widens the mask by
    less than a pixel, where it is not, by as much as it doubts.
    """
    return ((probability - 0.05) * (1 / 0.15)).clamp(0.0, 1.0)


def decide(probability: Tensor) -> Tensor:
    """Says what is mask: 0 up to a probability of 0.4, above 0 beyond, 1 from 0.6.

    IoU is best at 0.4 to 0.5, whatever the type of mask.
    """
    return ((probability - 0.4) * (1 / 0.2)).clamp(0.0, 1.0)


class Sharpener(nn.Module):
    """Brings an answer from half size to full size, by what the picture shows at full size.

    `forward` takes the answer `[N, C, H, H]` and what is known at full size `[N, K, S, S]`, and
    gives the answer `[N, C, S, S]`.
    """

    def __init__(self, answer: int, known: int, channels: int) -> None:
        super().__init__()
        self.answer = conv_bn(answer, channels, relu=False)
        self.known = conv_bn(known, channels, stride=2, relu=False)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True),
            Residual(channels),
            nn.Conv2d(channels, 4 * answer, 3, padding=1),
            nn.PixelShuffle(2),
        )
        # Begins as plain enlargement: the half-size networks are trained first.
        last = self.body[2]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, answer: Tensor, known: Tensor) -> Tensor:
        detail: Tensor = self.body(self.answer(answer) + self.known(known))
        return _upsample(answer) + detail


def halve(picture: Tensor) -> Tensor:
    """The picture at half size."""
    return F.avg_pool2d(picture, 2)


class Unmasker(nn.Module):
    """Both stages on normalised pictures; what training works with.

    Pictures of half the size go through the half-size networks alone: the first leg of training.
    """

    def __init__(self, config: UnmaskerConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.sharpener = Sharpener(3, 4, config.sharpener_channels)
        if config.segmentation:
            self.segmenter = Segmenter(config.segmentation_channels)
            self.mask_sharpener = Sharpener(1, 3, config.segmentation_channels[0])

    def find(self, image: Tensor) -> Tensor:
        """Logits `[N, 1, S, S]` of the mask on `image` (`[N, 3, S, S]`, -1..1)."""
        logits: Tensor
        if self._is_half(image):
            logits = self.segmenter(image)
        else:
            logits = self.mask_sharpener(self.segmenter(halve(image)), image)
        return logits

    def fill(self, image: Tensor, opacity: Tensor) -> Tensor:
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

    def opening(self, probability: Tensor) -> Tensor:
        """How much of each pixel is generated (0..1), by the probability that it is mask (0..1).

        At full size a pixel more is opened all round the mask: photos hold a bright or dark line
        along a mask's hem, shadow or the camera's own sharpening, that is neither mask nor skin.
        """
        if not self._is_half(probability):
            probability = F.max_pool2d(probability, 3, stride=1, padding=1)
        return harden(probability)

    def _is_half(self, image: Tensor) -> bool:
        return image.shape[-1] == self.config.size // 2

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gives the generated picture (-1..1, whole), how much of it to show, and the mask (0..1).

        The mask is above 0 on mask only, and shows the generated picture there in full.
        """
        if not self.config.segmentation:
            nothing = torch.zeros_like(image[:, :1])
            return self.fill(image, nothing), nothing + 1.0, nothing + 1.0
        probability = torch.sigmoid(self.find(image))
        opacity = self.opening(probability)
        return self.fill(image, opacity), opacity, decide(probability)


class UnmaskerGraph(nn.Module):
    """The graph that is exported: uint8 NHWC in and out, everything else inside.

    `image` uint8 `[N, S, S, 3]` RGB gives `unmasked` uint8 `[N, S, S, 3]` and `mask` uint8
    `[N, S, S, 1]`: 128 and above is mask, 1 to 127 the seam round it, in which the generated
    picture fades out. Where `mask` is 0 the picture comes back bit for bit: the composite is made
    on the 0..255 scale, where whole numbers times one plus zero are exact in float32, and opacities
    too small to show in the 8-bit mask are dropped first.
    """

    def __init__(self, unmasker: Unmasker) -> None:
        super().__init__()
        self.unmasker = unmasker

    def blend(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The graph on float planes, for formats whose pictures are not bytes.

        Args:
            pixels: float32 `[N, 3, S, S]`, whole numbers 0..255.

        Returns:
            The picture `[N, 3, S, S]` and the mask `[N, 1, S, S]`, float32, whole numbers 0..255.
        """
        picture, opacity, decided = self.unmasker(pixels * (1.0 / 127.5) - 1.0)
        mask = torch.round(opacity.to(torch.float32) * 127.0 + decided.to(torch.float32) * 128.0)
        opacity = mask.clamp(max=127.0) * (1.0 / 127.0)
        generated = ((picture.to(torch.float32) + 1.0) * 127.5).clamp(0.0, 255.0)
        return torch.round(pixels * (1.0 - opacity) + generated * opacity), mask

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        # Cast before permuting: TensorRT refuses uint8 into Transpose.
        pixels = image.to(torch.float32).permute(0, 3, 1, 2).contiguous()
        blended, mask = self.blend(pixels)
        return (
            blended.permute(0, 2, 3, 1).to(torch.uint8),
            mask.permute(0, 2, 3, 1).to(torch.uint8),
        )


def build_unmasker(config: UnmaskerConfig) -> UnmaskerGraph:
    """The exported graph with fresh weights."""
    return UnmaskerGraph(Unmasker(config))
