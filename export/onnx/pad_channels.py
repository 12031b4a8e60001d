"""Pads the channels of convolutions for ONNX Runtime's int8 kernels on CPUs.

Those kernels take input channels in groups of 4 and output channels in groups of 16. With 3 in or
12 out they fall back to kernels that take twice the time. Such convolutions, those of images and
masks, get zero channels, which are removed again: the outputs stay the same.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .folding import fold_batch_norm

# Numbers of channels that kernels take and return are multiples of these.
INPUTS, OUTPUTS = 4, 16


class PaddedConv2d(nn.Conv2d):
    """A convolution with zero channels added to its input and output.

    Args:
        conv: The convolution to compute; not a grouped one.
        crop: Whether to remove the added output channels; else a `CropChannels` later on must.
    """

    def __init__(self, conv: nn.Conv2d, crop: bool = True) -> None:
        outputs, inputs = conv.out_channels, conv.in_channels
        added = -inputs % INPUTS
        super().__init__(
            inputs + added,
            outputs + -outputs % OUTPUTS,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            bias=conv.bias is not None,
        )
        self.added, self.crop = added, CropChannels(outputs if crop else self.out_channels)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:outputs, :inputs] = conv.weight
            if conv.bias is not None and self.bias is not None:
                self.bias.zero_()
                self.bias[:outputs] = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """Returns the original convolution's output, with added channels unless `crop`."""
        if self.added:
            x = F.pad(x, (0, 0, 0, 0, 0, self.added))
        cropped: Tensor = self.crop(super().forward(x))
        return cropped


class CropChannels(nn.Module):
    """Keeps the first channels.

    Args:
        channels: Number of channels to keep.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Returns `[N, channels, H, W]`."""
        return x if x.shape[1] == self.channels else x[:, : self.channels]


def pad_channels(network: nn.Module) -> nn.Module:
    """Returns a copy of a network with padded convolutions, which keep their names.

    The outputs stay the same.

    Args:
        network: In evaluation mode.
    """
    network = copy.deepcopy(network).eval()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and child.groups == 1 and _is_narrow(child):
                if isinstance(parent, nn.Sequential):
                    _pad_in_sequence(parent, int(name))
                else:
                    setattr(parent, name, PaddedConv2d(child))
    return network


def _is_narrow(conv: nn.Conv2d) -> bool:
    narrow = conv.in_channels % INPUTS or conv.out_channels % OUTPUTS
    # Those of the attention gates, 1x1 or with one output channel, are too small to gain.
    return conv.kernel_size[0] > 1 and conv.out_channels > 1 and bool(narrow)


def _pad_in_sequence(layers: nn.Sequential, k: int) -> None:
    """Pads a convolution and crops after its ReLU: a crop between them would prevent fusion."""
    fold_batch_norm(layers, k)
    conv = layers[k]
    assert isinstance(conv, nn.Conv2d)
    after = k + 1
    # Its batch norm became an identity.
    while after < len(layers) and isinstance(layers[after], nn.Identity):
        after += 1
    has_relu = after < len(layers) and isinstance(layers[after], nn.ReLU)
    layers[k] = PaddedConv2d(conv, crop=not has_relu)
    if has_relu:
        layers[after] = nn.Sequential(nn.ReLU(), CropChannels(conv.out_channels))
