"""Cost of a network: parameters and multiply-accumulates per layer, measured by running it once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LayerCost:
    """Cost of one convolution for one image.

    Attributes:
        name: Name of the layer in the graph.
        shape: Channels, kernel, dilation and output size, for display.
        parameters: Number of parameters.
        flop: Floating-point operations; a multiply-accumulate counts as two.
    """

    name: str
    shape: str
    parameters: int
    flop: int


def layer_costs(graph: nn.Module, example: torch.Tensor) -> list[LayerCost]:
    """Returns the cost of every convolution of a graph, in the order in which they run.

    Args:
        graph: The exported uint8 graph.
        example: One input, uint8 `[1, S, S, 3]`.
    """
    costs: list[LayerCost] = []
    hooks = []
    for name, module in graph.named_modules():
        if isinstance(module, nn.Conv2d):

            def record(layer: nn.Conv2d, _: object, output: torch.Tensor, name: str = name) -> None:
                kernel = layer.kernel_size
                inputs = layer.in_channels // layer.groups
                macs = output[0].numel() * inputs * kernel[0] * kernel[1]
                shape = (
                    f"{layer.in_channels}→{layer.out_channels} {kernel[0]}x{kernel[1]} "
                    f"d{layer.dilation[0]} @{output.shape[2]}x{output.shape[3]}"
                )
                parameters = sum(p.numel() for p in layer.parameters())
                costs.append(LayerCost(name, shape, parameters, 2 * macs))

            hooks.append(module.register_forward_hook(record))
    with torch.inference_mode():
        graph.eval()(example)
    for hook in hooks:
        hook.remove()
    return costs
