"""What the search needs of a float graph. `unmask_sdk.export` implements it, and imports this."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import onnx

from unmask_sdk.calibration.ranges import Ranges


class QuantizableGraph(Protocol):
    """A float graph that can be quantized many times, such as `export.onnx.quantize.FloatGraph`."""

    @property
    def file(self) -> bytes:
        """The float ONNX file."""
        ...

    @property
    def convolutions(self) -> Mapping[str, onnx.NodeProto]:
        """The convolutions' nodes by their torch names, in the graph's order."""
        ...

    def tensors(self, keep_float: Collection[str] = ()) -> tuple[str, ...]:
        """Returns the names of the activations whose ranges int8 needs."""
        ...

    def quantize(
        self,
        ranges: Ranges,
        keep_float: Collection[str] = (),
        *,
        per_channel: bool = True,
        symmetric: bool = False,
    ) -> bytes:
        """Returns the int8 graph as the bytes of an ONNX file."""
        ...

    def int8_share(self, file: bytes) -> float:
        """Returns the share, 0..1, of the convolutions' work that is int8 in a quantized file."""
        ...
