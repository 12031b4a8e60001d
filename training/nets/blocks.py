"""The building blocks of all networks: convolutions, residual blocks, M-CSAM, sharpeners.

They are chosen for edge runtimes: plain and dilated 3x3 convolutions whose batch norm folds into
them, ReLU, additive skips, nearest upsampling, and pixel-shuffle heads at half resolution.

Names of child modules are keys of the weight files and must not change.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Batch statistics of masked images vary much from batch to batch; a slow average is more stable.
BN_MOMENTUM = 0.02


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """Returns a convolution with batch norm and, if `relu`, ReLU.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Side of the kernel; the padding keeps the spatial size, divided by `stride`.
        stride: Stride in both directions.
        dilation: Dilation in both directions.
        relu: Whether a ReLU follows.
    """
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
    """Two 3x3 convolutions with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(channels, channels), conv_bn(channels, channels, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the same shape."""
        return F.relu(x + self.body(x))


class MCSAM(nn.Module):
    """Multi-scale Channel-Spatial Attention Module.

    Source: Yang, *Face Mask Removal with Region-attentive Face Inpainting*, section on the
    generator.

    Parallel 3x3 convolutions of several dilations see the surroundings at several scales, and a
    1x1 convolution fuses them. Channel attention, then spatial attention weight the result, which
    is added to the input. The 1x1 reduction before each branch keeps the 3x3 convolutions dense
    and narrow, which CPUs and GPUs run several times faster than depthwise ones.

    Args:
        channels: Channels of input and output.
        branch_channels: Channels of each branch.
        dilations: Dilation of each branch.
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
        # Channel attention.
        self.what = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
        )
        # Spatial attention.
        self.where = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the same shape."""
        y = self.fuse(torch.cat([branch(x) for branch in self.branches], 1))
        pooled = torch.cat([y.mean((2, 3), keepdim=True), y.amax((2, 3), keepdim=True)], 1)
        y = y * torch.sigmoid(self.what(pooled))
        flat = torch.cat([y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1)
        y = y * torch.sigmoid(self.where(flat))
        return F.relu(x + y)


def upsample(x: Tensor) -> Tensor:
    """Doubles the size of `[N, C, H, W]` by repeating pixels."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def downsample(x: Tensor) -> Tensor:
    """Halves the size of `[N, C, H, W]` by averaging 2x2 pixels."""
    return F.avg_pool2d(x, 2)


class Sharpener(nn.Module):
    """Brings a half-size prediction to full size, guided by what the image shows at full size.

    Args:
        answer: Channels of the prediction.
        known: Channels of the full-size guide.
        channels: Channels of the hidden layers, which work at half size.
        blocks: Number of residual blocks.
    """

    def __init__(self, answer: int, known: int, channels: int, blocks: int = 1) -> None:
        super().__init__()
        self.answer = conv_bn(answer, channels, relu=False)
        self.known = conv_bn(known, channels, stride=2, relu=False)
        residuals = [Residual(channels) for _ in range(blocks)]
        last = nn.Conv2d(channels, 4 * answer, 3, padding=1)
        self.body = nn.Sequential(nn.ReLU(inplace=True), *residuals, last, nn.PixelShuffle(2))
        # Starts as plain upsampling: the half-size networks are trained first.
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)

    def forward(self, answer: Tensor, known: Tensor) -> Tensor:
        """Sharpens a prediction.

        Args:
            answer: The prediction at half size, `[N, C, S/2, S/2]`.
            known: The guide at full size, `[N, K, S, S]`.

        Returns:
            The prediction at full size, `[N, C, S, S]`.
        """
        detail: Tensor = self.body(self.answer(answer) + self.known(known))
        return upsample(answer) + detail
