"""Core ML on a Mac."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
from coremltools.models.compute_device import MLGPUComputeDevice, MLNeuralEngineComputeDevice
from PIL import Image

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.manifest import TensorSpec
from unmask_sdk.errors import RuntimeUnavailableError

from .base import Runtime, RuntimeInfo, check_names

# By the values of `device`. Core ML assigns each operation to one of the units it may use.
UNITS = {
    "all": ct.ComputeUnit.ALL,
    "cpu": ct.ComputeUnit.CPU_ONLY,
    "gpu": ct.ComputeUnit.CPU_AND_GPU,
    "ane": ct.ComputeUnit.CPU_AND_NE,
}
# Checked because Core ML silently uses only the CPU if the Mac does not have the unit.
_NEEDED = {"gpu": MLGPUComputeDevice, "ane": MLNeuralEngineComputeDevice}


@dataclass(frozen=True)
class Opened:
    """A loaded model, and the lock that serializes its runs."""

    model: Any
    lock: threading.Lock = field(default_factory=threading.Lock)


class CoreMLRuntime(Runtime[Opened]):
    """Runs a `.mlpackage` with Core ML.

    `device` says which units Core ML may use: `all`, `cpu` only, or the CPU with either the `gpu`
    or the Neural Engine (`ane`). Core ML chooses among them for each operation, and does not report
    its choice.

    Threads: may be run by many threads at the same time; the runs take turns, because Core ML
    requires that a model is used by one thread at a time. Core ML chooses the number of threads for
    one run; `threads` is ignored.
    """

    def _open(self, path: Path, device: str, threads: int | None) -> tuple[Opened, RuntimeInfo]:
        version = f"Core ML, coremltools {ct.__version__}"
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            try:
                model = ct.models.MLModel(str(path), compute_units=UNITS[device])
            except (RuntimeError, OSError, ValueError) as error:
                raise _unopened(version, path, one_line(error)) from error
        # If Core ML cannot load it, coremltools warns, and returns a model that cannot predict.
        if model.__proxy__ is None:
            reason = "; ".join(" ".join(str(remark.message).split()) for remark in remarks)
            raise _unopened(version, path, reason or "Core ML is missing")
        if device in _NEEDED and not any(
            isinstance(unit, _NEEDED[device]) for unit in model.get_available_compute_devices()
        ):
            raise RuntimeUnavailableError(
                f"this Mac has no {device} that Core ML can use; leave out device={device!r}"
            )
        description = model.get_spec().description
        check_names(
            path,
            self.artifact,
            [feature.name for feature in description.input],
            [feature.name for feature in description.output],
        )
        info = RuntimeInfo(
            runtime="coreml",
            provider=f"{version}, {UNITS[device].name}",
            device=device,
            precision=self.artifact.precision,
            threads=None,
        )
        return Opened(model), info

    def _run(self, handle: Opened, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        images = {
            spec.name: to_image(array)
            for spec, array in zip(self.artifact.inputs, inputs, strict=True)
        }
        try:
            with handle.lock:
                outputs: Mapping[str, Any] = handle.model.predict(images)
        except (RuntimeError, ValueError) as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"Core ML failed on inputs {shapes}: {one_line(error)}"
            ) from error
        return [to_array(spec, outputs[spec.name]) for spec in self.artifact.outputs]


def to_image(array: AnyArray) -> Image.Image:
    """Returns uint8 `[1, H, W, 3]` as the RGB image that Core ML takes."""
    return Image.fromarray(array[0])


def to_array(spec: TensorSpec, output: Any) -> AnyArray:
    """Returns an output of Core ML with the dtype and shape of the manifest.

    Args:
        spec: Its entry; images are uint8 `[1, H, W, C]`, C 3 or 1.
        output: A PIL image for those (Core ML's RGB images have a fourth channel), else an array.
    """
    if spec.dtype != "uint8":
        return np.array(output, spec.dtype)
    gray = spec.shape[-1] == 1
    pixels = np.array(output.convert("L" if gray else "RGB"))
    return pixels[None, ..., None] if gray else pixels[None]


def _unopened(version: str, path: Path, reason: str) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(
        f"{version} does not open {path.name} ({reason}); it needs macOS 14 or later"
    )
