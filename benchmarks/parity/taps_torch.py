"""Outputs of the convolutions of a weight file, by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.nets.checkpoint import load_network

from .tap import Tap

# Gets a layer's name and output, and returns what takes the output's place; None keeps it.
OnOutput = Callable[[str, Tensor], Tensor | None]


def watch(network: nn.Module, on_output: OnOutput) -> None:
    """Calls a function with the output of each convolution, after its batch norm if it has one.

    Args:
        network: The network, which keeps the hooks.
        on_output: What is called. The next module may work in place, so a tensor that it keeps or
            returns must be a copy.
    """
    last = ""
    watched: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            last = name
            watched[last] = module
        elif isinstance(module, nn.BatchNorm2d):
            # Exporters fold it into the convolution before it.
            watched[last] = module
    for name, module in watched.items():
        module.register_forward_hook(lambda _, inputs, output, name=name: on_output(name, output))


def record(path: Path, image: UInt8Array) -> list[Tap]:
    """Returns the output of each convolution, after its batch norm if it has one.

    Args:
        path: A weight file.
        image: uint8 `[1, S, S, 3]`.
    """
    network = load_network(path)
    taps: list[Tap] = []

    def keep(name: str, output: Tensor) -> None:
        taps.append(Tap(name, output.detach().float().clone().numpy()))

    watch(network, keep)
    with torch.inference_mode():
        network(torch.from_numpy(image))
    return taps
