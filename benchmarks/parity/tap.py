"""What every `taps_ENGINE.py` returns."""

from __future__ import annotations

from dataclasses import dataclass

from unmask_sdk.core.arrays import Float32Array


@dataclass(frozen=True, eq=False)
class Tap:
    """The output of one convolution.

    Attributes:
        name: Name of the layer or tensor in the engine's file.
        value: float32 `[1, C, H, W]`.
    """

    name: str
    value: Float32Array
