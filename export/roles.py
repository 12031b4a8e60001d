"""What the exporters need to know of each network: names, shapes, sample pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.core.manifest import TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.training.nets.graph import UnmaskerGraph
from unmask_sdk.training.nets.locator_networks import AlignerGraph, DetectorGraph

# Detectors halve the picture five times.
DETECTOR_STEP = 32


@dataclass(frozen=True)
class Role:
    """One kind of network.

    Attributes:
        name: The role in the manifest.
        precisions: Precisions that it is exported in. Where the locator's networks would gain
            little from int8, they would lose what it costs: they are a tenth of the work.
        size: Gives the side of the square input; None where any height and width go.
        outputs: The outputs; their first dimension is the batch.
        tolerance: Largest error of the golden vectors in fp32; see `unmask_sdk.verify.error_of`.
        min_psnr_db: By precision, where rounding lets single values be off by more.
    """

    name: str
    precisions: tuple[str, ...]
    size: Callable[[Any], int | None]
    outputs: Callable[[int | None], tuple[TensorSpec, ...]]
    tolerance: float
    min_psnr_db: Mapping[str, float]

    def inputs(self, size: int | None) -> tuple[TensorSpec, ...]:
        """Gives the inputs: one picture batch, uint8 NHWC."""
        return (TensorSpec("image", "uint8", (None, size, size, 3)),)


# Floats are compared with their largest magnitude: one thousandth of a crop is a ninth of a pixel.
_FLOAT_TOLERANCE = 1e-3

ROLES: dict[type[nn.Module], Role] = {
    UnmaskerGraph: Role(
        name="unmasker",
        precisions=("fp32", "fp16", "int8", "w8", "w8a8"),
        size=lambda graph: int(graph.unmasker.config.size),
        outputs=lambda size: (
            TensorSpec("unmasked", "uint8", (None, size, size, 3)),
            TensorSpec("mask", "uint8", (None, size, size, 1)),
        ),
        tolerance=1.0,
        min_psnr_db={"fp16": 50.0, "int8": 35.0, "w8": 40.0, "w8a8": 35.0},
    ),
    DetectorGraph: Role(
        name="detector",
        precisions=("fp32", "fp16"),
        size=lambda graph: None,
        outputs=lambda size: (
            TensorSpec("heat", "float32", (None, None, None)),
            TensorSpec("box", "float32", (None, None, None, 4)),
        ),
        tolerance=_FLOAT_TOLERANCE,
        min_psnr_db={"fp16": 50.0},
    ),
    AlignerGraph: Role(
        name="aligner",
        precisions=("fp32", "fp16"),
        size=lambda graph: ALIGN_SIZE,
        outputs=lambda size: (
            TensorSpec("points", "float32", (None, 5, 2)),
            TensorSpec("score", "float32", (None,)),
        ),
        tolerance=_FLOAT_TOLERANCE,
        min_psnr_db={"fp16": 50.0},
    ),
}


def role_of(network: nn.Module) -> Role:
    """Gives the role of a network.

    Raises:
        ExportError: If it is none of the exportable networks.
    """
    role = ROLES.get(type(network))
    if role is None:
        known = ", ".join(kind.__name__ for kind in ROLES)
        raise ExportError(f"cannot export {type(network).__name__}; exportable are {known}")
    return role
