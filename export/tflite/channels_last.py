"""Rewrites the unmasker for engines that store channels last: same outputs, fewer transpositions.

There, torch's pixel shuffles become three transpositions, and upsampling an image of one or three
channels is slow: together a fifth of the time of an int8 run. Neither is needed if the convolution
before a shuffle outputs its channels in the order in which they are stored in the image.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from unmask_sdk.training.nets.blocks import Sharpener


class Shuffle(nn.Module):
    """Pixel shuffle of channels in the order (row, column, channel).

    Args:
        factor: Upsampling factor.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Returns `[N, C / factor², H · factor, W · factor]`."""
        n, c, h, w = x.shape
        r, last = self.factor, c // self.factor**2
        # One transposition, of blocks that are contiguous in memory.
        rows = x.permute(0, 2, 3, 1).reshape(n * h, w, r, r * last).transpose(1, 2)
        return rows.reshape(n, h * r, w * r, last).permute(0, 3, 1, 2)


class EarlySharpener(nn.Module):
    """A `Sharpener` that adds the coarse result before the shuffle.

    There, upsampling the result is repeating its channels.

    Args:
        sharpener: Its `body` ends in a convolution and a `Shuffle`.
    """

    def __init__(self, sharpener: Sharpener) -> None:
        super().__init__()
        self.answer, self.known = sharpener.answer, sharpener.known
        self.body, self.shuffle = sharpener.body[:-1], sharpener.body[-1]

    def forward(self, answer: Tensor, known: Tensor) -> Tensor:
        """Returns what `Sharpener.forward` returns."""
        detail = self.body(self.answer(answer) + self.known(known))
        repeats = detail.shape[1] // answer.shape[1]
        enlarged: Tensor = self.shuffle(detail + torch.cat([answer] * repeats, 1))
        return enlarged


def channels_last(network: nn.Module) -> nn.Module:
    """Returns a copy of a network that computes the same; its convolutions keep their names.

    Every pixel shuffle must follow a convolution in an `nn.Sequential`.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        if isinstance(parent, nn.Sequential):
            for k, child in enumerate(parent):
                if isinstance(child, nn.PixelShuffle):
                    parent[k] = _shuffle_after(parent[k - 1], child.upscale_factor)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Sharpener):
                setattr(parent, name, EarlySharpener(child))
    return network.eval()


def _shuffle_after(conv: nn.Module, factor: int) -> Shuffle:
    """Reorders a convolution's output channels in place; returns the shuffle for them."""
    weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
    order = torch.arange(len(weight)).reshape(-1, factor, factor).permute(1, 2, 0).flatten()
    with torch.no_grad():
        weight.copy_(weight[order])
        bias.copy_(bias[order])
    return Shuffle(factor)
