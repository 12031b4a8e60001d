"""Folds batch norms into the convolutions before them."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Returns a copy of a network, in evaluation mode, with all batch norms folded."""
    network = copy.deepcopy(network)
    for layers in network.modules():
        if isinstance(layers, nn.Sequential):
            for k in range(len(layers)):
                fold_batch_norm(layers, k)
    return network.eval()


def fold_batch_norm(layers: nn.Sequential, k: int) -> None:
    """Folds the batch norm after layer `k` if layer `k` is a convolution that has one."""
    conv, norm = layers[k], layers[k + 1] if k + 1 < len(layers) else None
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        layers[k] = fuse_conv_bn_eval(conv, norm)
        layers[k + 1] = nn.Identity()
