"""How much of the picture each layer of an artifact changes, measured in the reference network.

How far a tensor is off, relative to its own size, does not say whether that can be seen. An
attention gate passes through a sigmoid and scales one branch of a sum: with its output 16 % larger,
the picture of the lite network of run 11 changes by 0.1 to 0.2 of 255. With the output of
`generator.down2.1.0` 16 % larger, the picture changes by 3 to 7 of 255. So each layer is measured
by what its error does to the picture:

1. The reference runs with the output of every layer replaced by the artifact's. What a layer
   computes from the artifact's inputs, less the artifact's output, is the error of that layer
   itself: errors of the layers before it are not in it.
2. The reference runs once for each layer with the error of that layer alone, and the results are
   compared: the picture before it is rounded, and the mask. The difference is a root mean square,
   of 255, over the hole, because outside it the picture is a copy of the input.

The errors of different layers are nearly independent and add in squares: for the int8 files of run
11 the root of the sum of the squares is 0.97 to 1.17 times the change of the picture by all layers
together. So the limits for one layer (`thresholds.py`) follow from the limits for a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.nets.checkpoint import load_unmasker

from .tap import HUGE, Substitute
from .taps_torch import OnOutput, watch


@dataclass(frozen=True)
class Effect:
    """What the error of one layer does.

    Attributes:
        error: Root mean square of the layer's own error over that of the reference's output.
        picture: Root mean square of the change of the picture in the hole, of 255.
        mask: The same of the mask.
    """

    error: float
    picture: float
    mask: float


@dataclass(frozen=True, eq=False)
class _Outputs:
    """What the reference gives before rounding, of 255: float32 `[1, C, S, S]`."""

    picture: Tensor
    mask: Tensor
    opacity: Tensor


class _Reference:
    """The reference network on one image, with layers that can be changed."""

    def __init__(self, weights: Path, image: UInt8Array) -> None:
        graph = load_unmasker(weights)
        self._network = graph.unmasker
        # As the graph does it, so that the reference itself is off by nothing.
        pixels = torch.from_numpy(image).float().permute(0, 3, 1, 2).contiguous()
        self._image = pixels * (1.0 / 127.5) - 1.0
        self._change: OnOutput = lambda layer, output: None
        # The graph's names are those of `taps_torch.record`.
        watch(graph, lambda layer, output: self._change(layer, output))

    def run(self, change: OnOutput) -> _Outputs:
        self._change = change
        with torch.inference_mode():
            generated, opacity, binary = self._network(self._image)
            generated = generated.clamp(-1.0, 1.0)
            shown = self._image + opacity * (generated - self._image)
        return _Outputs(shown * 127.5, binary * 255.0, opacity)


def measure(
    weights: Path, image: UInt8Array, substitutes: Mapping[str, Substitute]
) -> dict[str, Effect]:
    """Measures what the error of each layer does to the picture.

    Args:
        weights: Weight file of the reference, an unmasker.
        image: uint8 `[1, S, S, 3]`.
        substitutes: Layers (names of torch modules) and their outputs in the artifact.
    """
    reference = _Reference(weights, image)
    sizes: dict[str, float] = {}

    def note_size(layer: str, output: Tensor) -> None:
        sizes[layer] = max(float(output.norm()), 1e-9)

    expected = reference.run(note_size)
    errors: dict[str, Tensor] = {}

    def substitute(layer: str, output: Tensor) -> Tensor | None:
        if layer not in substitutes:
            return None
        theirs = torch.from_numpy(substitutes[layer].value)
        errors[layer] = theirs - _as_in(substitutes[layer], output)
        return theirs.clone()

    reference.run(substitute)
    pixels = max(1, int((expected.opacity > 0).sum()))
    effects = {}
    for name in substitutes:

        def spoil(layer: str, output: Tensor, name: str = name) -> Tensor | None:
            return _as_in(substitutes[name], output) + errors[name] if layer == name else None

        spoiled = reference.run(spoil) if bool(errors[name].any()) else expected
        effects[name] = Effect(
            error=min(HUGE, float(errors[name].norm()) / sizes[name]),
            picture=_change_of(spoiled.picture, expected.picture, pixels),
            mask=_change_of(spoiled.mask, expected.mask, pixels),
        )
    return effects


def _as_in(substitute: Substitute, output: Tensor) -> Tensor:
    """Returns the reference's output in the form that the artifact has it in."""
    return output.relu() if substitute.rectified else output


def _change_of(a: Tensor, b: Tensor, pixels: int) -> float:
    """Root mean square of the difference over the pixels of the hole; `HUGE` if it is NaN."""
    squares = float((a - b).square().sum(dtype=torch.float64))
    return min(HUGE, math.sqrt(squares / (pixels * a.shape[1])))
