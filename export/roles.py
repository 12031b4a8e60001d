"""The kinds of network that can be exported: inputs, outputs, precisions and tolerances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from unmask_sdk.calibration.calibration_set import CalibrationImages
from unmask_sdk.calibration.locator_images import aligner_images, detector_images
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.core.manifest import TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.training.nets.locator_networks import AlignerGraph, DetectorGraph
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph

# Detectors halve their input five times.
DETECTOR_STEP = 32


@dataclass(frozen=True)
class Role:
    """One kind of network.

    Attributes:
        name: The role in the manifest.
        precisions: Precisions that it is exported in.
        size: Returns the side of a network's square input in pixels; `None` if it takes any
            height and width.
        outputs: Returns the outputs for such a size; their first dimension is the batch.
        calibration_images: Makes inputs for such a size from the crops of a calibration set.
        tolerance: Largest error of the golden vectors in fp32; see
            `unmask_sdk.golden_vectors.error_of`.
        min_psnr_db: Lowest PSNR of the golden vectors, for precisions whose rounding lets single
            values be off by more than the tolerance.
    """

    name: str
    precisions: tuple[str, ...]
    size: Callable[[Any], int | None]
    outputs: Callable[[int | None], tuple[TensorSpec, ...]]
    calibration_images: Callable[[CalibrationImages, int | None], UInt8Array]
    tolerance: float
    min_psnr_db: Mapping[str, float]

    def inputs(self, size: int | None) -> tuple[TensorSpec, ...]:
        """Returns the inputs: one batch of images, uint8 NHWC."""
        return (TensorSpec("image", "uint8", (None, size, size, 3)),)


# Relative to the largest magnitude: one thousandth of the aligner's crop is a ninth of a pixel.
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
        calibration_images=lambda stored, size: stored.at(size),
        tolerance=1.0,
        min_psnr_db={"fp16": 50.0, "int8": 35.0, "w8": 40.0, "w8a8": 35.0},
    ),
    DetectorGraph: Role(
        name="detector",
        precisions=("fp32", "fp16", "int8"),
        size=lambda graph: None,
        outputs=lambda size: (
            TensorSpec("heat", "float32", (None, None, None)),
            TensorSpec("box", "float32", (None, None, None, 4)),
        ),
        calibration_images=lambda stored, size: detector_images(stored.images),
        tolerance=_FLOAT_TOLERANCE,
        min_psnr_db={"fp16": 50.0, "int8": 40.0},
    ),
    AlignerGraph: Role(
        name="aligner",
        precisions=("fp32", "fp16", "int8"),
        size=lambda graph: ALIGN_SIZE,
        outputs=lambda size: (
            TensorSpec("points", "float32", (None, 5, 2)),
            TensorSpec("score", "float32", (None,)),
        ),
        calibration_images=lambda stored, size: aligner_images(stored.images),
        tolerance=_FLOAT_TOLERANCE,
        min_psnr_db={"fp16": 50.0, "int8": 40.0},
    ),
}


def role_of(network: nn.Module) -> Role:
    """Returns the role of a network.

    Raises:
        ExportError: If the network is of no exportable kind.
    """
    role = ROLES.get(type(network))
    if role is None:
        known = ", ".join(kind.__name__ for kind in ROLES)
        raise ExportError(f"cannot export {type(network).__name__}; exportable are {known}")
    return role
