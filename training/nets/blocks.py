"""What both networks are built of: convolutions, residual blocks, M-CSAM, sharpeners.

Shapes are chosen for edge runtimes: plain and dilated 3x3 convolutions with batch norm that folds,
ReLU, additive skips, nearest upsampling, pixel-shuffle heads at half resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Batch statistics of masked pictures swing from batch to batch; a slow average is steadier.
BN_MOMENTUM = 0.02


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


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Sharpener(nn.Module):
    """Brings an answer from half size to full size, by what the picture shows at full size.

    `forward` takes the answer `[N, C, H, H]` and what is known at full size `[N, K, S, S]`, and
    gives the answer `[N, C, S, S]`.
    """

    def __init__(self, answer: int, known: int, channels: int, blocks: int = 1) -> None:
        super().__init__()
        self.answer = conv_bn(answer, channels, relu=False)
        self.known = conv_bn(known, channels, stride=2, relu=False)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True),
            *[Residual(channels) for _ in range(blocks)],
            nn.Conv2d(channels, 4 * answer, 3, padding=1),
            nn.PixelShuffle(2),
        )
        # Begins as plain enlargement: the half-size networks are trained first.
        last = self.body[-2]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, answer: Tensor, known: Tensor) -> Tensor:
        detail: Tensor = self.body(self.answer(answer) + self.known(known))
        return upsample(answer) + detail


def halve(picture: Tensor) -> Tensor:
    """The picture at half size."""
    return F.avg_pool2d(picture, 2)
