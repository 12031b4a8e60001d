"""The unmasker said anew for int8 on CPUs: the same numbers, in channels that fill the registers.

ONNX Runtime's integer kernels take input channels by fours and put out sixteen at once; with three
in or twelve out they fall back to ones that take twice the time. Such convolutions, those of
pictures and masks, are given empty channels, which are cut off again.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .folding import fold

INPUTS, OUTPUTS = 4, 16


class WideConv2d(nn.Conv2d):
    """A convolution with empty channels added to both sides.

    Args:
        conv: The convolution that it computes, not a grouped one.
        cut: Whether the empty channels it puts out are cut off again, or left to a `Cut` later on.
    """

    def __init__(self, conv: nn.Conv2d, cut: bool = True) -> None:
        outputs, inputs = conv.out_channels, conv.in_channels
        empty = -inputs % INPUTS
        super().__init__(
            inputs + empty,
            outputs + -outputs % OUTPUTS,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            bias=conv.bias is not None,
        )
        self.empty, self.cut = empty, Cut(outputs if cut else self.out_channels)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:outputs, :inputs] = conv.weight
            if conv.bias is not None and self.bias is not None:
                self.bias.zero_()
                self.bias[:outputs] = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        if self.empty:
            x = F.pad(x, (0, 0, 0, 0, 0, self.empty))
        cut: Tensor = self.cut(super().forward(x))
        return cut


class Cut(nn.Module):
    """Keeps the first channels.

    Args:
        channels: How many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[1] == self.channels else x[:, : self.channels]


def wide(network: nn.Module) -> nn.Module:
    """A copy of a network that computes the same; its convolutions keep their names.

    Args:
        network: In evaluation mode.
    """
    network = copy.deepcopy(network).eval()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and child.groups == 1 and _is_narrow(child):
                if isinstance(parent, nn.Sequential):
                    _widen(parent, int(name))
                else:
                    setattr(parent, name, WideConv2d(child))
    return network


def _is_narrow(conv: nn.Conv2d) -> bool:
    few = conv.in_channels % INPUTS or conv.out_channels % OUTPUTS
    # Those of the attention gates, 1x1 or with one plane out, are too small to gain.
    return conv.kernel_size[0] > 1 and conv.out_channels > 1 and bool(few)


def _widen(layers: nn.Sequential, k: int) -> None:
    """Widens a convolution up to its ReLU: a cut in between would keep them from being fused."""
    fold(layers, k)
    conv = layers[k]
    assert isinstance(conv, nn.Conv2d)
    after = k + 1
    # What is left of its batch norm.
    while after < len(layers) and isinstance(layers[after], nn.Identity):
        after += 1
    active = after < len(layers) and isinstance(layers[after], nn.ReLU)
    layers[k] = WideConv2d(conv, cut=not active)
    if active:
        layers[after] = nn.Sequential(nn.ReLU(), Cut(conv.out_channels))
