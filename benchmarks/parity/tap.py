"""What every `taps_ENGINE.py` returns, and the form in which the reference can take it."""

from __future__ import annotations

from dataclasses import dataclass

from unmask_sdk.core.arrays import Float32Array

# Stands for differences that are not numbers.
HUGE = 1e9


@dataclass(frozen=True, eq=False)
class Tap:
    """The output of one convolution.

    Attributes:
        name: Name of the layer or tensor in the engine's file.
        value: float32 `[1, C, H, W]`.
    """

    name: str
    value: Float32Array


@dataclass(frozen=True, eq=False)
class Substitute:
    """The output of a layer in an artifact, in the reference's form.

    Attributes:
        value: float32 `[1, C, H, W]`, the channels in the reference's order.
        rectified: Whether the ReLU after the layer has been applied.
    """

    value: Float32Array
    rectified: bool
