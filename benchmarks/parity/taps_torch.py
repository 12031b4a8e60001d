"""Outputs of the convolutions of a weight file, by PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.nets.checkpoint import load_network

from .tap import Tap


def record(path: Path, image: UInt8Array) -> list[Tap]:
    """Returns the output of each convolution, after its batch norm if it has one.

    Args:
        path: A weight file.
        image: uint8 `[1, S, S, 3]`.
    """
    network = load_network(path)
    taps: list[Tap] = []

    # The next module may work in place, so outputs are copied.
    def keep(name: str, output: Tensor) -> Tap:
        return Tap(name, output.detach().float().clone().numpy())

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _, inputs, output, name=name: taps.append(keep(name, output))
            )
        elif isinstance(module, nn.BatchNorm2d):
            # Exporters fold it into the convolution that ran just before.
            module.register_forward_hook(
                lambda _, inputs, output: taps.append(keep(taps.pop().name, output))
            )
    with torch.inference_mode():
        network(torch.from_numpy(image))
    return taps
