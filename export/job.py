"""What a format's module is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unmask_sdk.calibration.calibration_set import CalibrationSet
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.runtimes.base import Runtime

if TYPE_CHECKING:
    import torch

    from .metadata import Metadata
    from .roles import Role

# A file; for formats that are folders, the files by their paths in it.
Content = bytes | Mapping[str, bytes]


@dataclass(frozen=True)
class Job:
    """A network to convert.

    Attributes:
        network: The uint8 graph, in evaluation mode, on the CPU.
        role: The kind of network.
        precision: Precision to convert to.
        calibration: Calibration set for quantized precisions; shared by all jobs of an export, so
            that it is decoded once.
        conversions: What `convert_once` returned, by name; shared by all jobs of an export that
            convert the same weights.
    """

    network: torch.nn.Module
    role: Role
    precision: str
    calibration: CalibrationSet = field(default_factory=CalibrationSet)
    conversions: dict[str, bytes] = field(default_factory=dict)

    def convert_once(self, name: str, convert: Callable[[], bytes]) -> bytes:
        """Returns a file that several formats or precisions begin with.

        Args:
            name: Name of the conversion, which says all that it depends on but the network.
            convert: Makes the file, if no job that shares `conversions` has made it.
        """
        if name not in self.conversions:
            self.conversions[name] = convert()
        return self.conversions[name]

    def calibration_images(self, size: int | None) -> UInt8Array:
        """Returns inputs of the network made from the calibration set, uint8 `[N, H, W, 3]`.

        Args:
            size: Side of the network's input in pixels; `None` if it takes any.
        """
        return self.role.calibration_images(self.calibration.load(), size)


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        content: The file; for formats that are folders, the files by their paths in it.
        inputs: The graph's inputs, with the shapes that they have in the file.
        outputs: The graph's outputs, with the shapes that they have in the file.
        tools: Packages whose versions go into the manifest.
        counts: Work, or number of weights, by precision, counted from the finished file; see
            `precision_check`.
        calibration_sha256: Digest of the calibration set; `None` if none was used.
        suffix: End of the file name if it is not the format's own: the file is then the same as
            another format's, and a folder with both formats holds it once.
    """

    content: Content
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tools: tuple[str, ...]
    counts: Mapping[str, int]
    calibration_sha256: str | None = None
    suffix: str | None = None


class FormatModule(Protocol):
    """What a format's module provides; `formats.EXPORTERS` names the modules."""

    def convert(self, job: Job) -> Converted:
        """Converts a network.

        Raises:
            ExportError: If the converter fails.
        """
        ...

    def write_metadata(self, content: Content, metadata: Metadata) -> Content:
        """Returns the file with its metadata, where programs that read the format look for it."""
        ...

    def open_converted(self, path: Path, artifact: Artifact) -> Runtime[Any]:
        """Opens a finished file for the comparison with the reference network.

        Raises:
            ExportError: If the file is not what it should be, by checks of the format's own.
        """
        ...
