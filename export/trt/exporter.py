"""TensorRT: ONNX files whose types say what is calculated in which precision.

TensorRT 10, 11 and TensorRT for RTX take them by the same calls, and build an engine from them on
the device (`unmask_sdk.runtimes.engines`). In fp16 that is the file of the format `onnx`; in int8
it is one of its own, rounded where TensorRT fuses, and in fp16 elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from unmask_sdk.calibration.images import read_images
from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.errors import ExportError, MissingDependencyError
from unmask_sdk.export.onnx.exporter import TOOLS, to_onnx
from unmask_sdk.export.onnx.exporter import convert as convert_onnx
from unmask_sdk.export.onnx.precision import check_precision, int8_share, parts_at_precision
from unmask_sdk.export.onnx.quantize import TENSORRT, quantised
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.runtimes.engines.build import build
from unmask_sdk.runtimes.engines.library import Library, find_library
from unmask_sdk.runtimes.engines.profiles import PROFILES
from unmask_sdk.runtimes.onnx import OnnxRuntime

from .build_log import shares, unexplained

# Compute capabilities that TensorRT-RTX builds for as a proof, without a GPU: Ampere, Blackwell.
CAPABILITIES = ("8.6", "12.0")
# Share of the multiplications in convolutions that a build may calculate in another type than the
# file says, or not tell of.
MOST_LOST = 0.01
_TYPES = {"fp16": "Half", "int8": "Int8"}
# Warnings that are understood. Scales are fp16 numbers, which float32 holds exactly.
KNOWN_WARNINGS = (
    "Converting conv activation scales to fp32",
    "Converting conv weight scales to fp32",
)


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`."""
    if job.precision != "int8":
        return replace(convert_onnx(job), suffix=".onnx")
    # Only unmaskers come in int8, and theirs is a square of one size.
    size: Any = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    images, plan = read_images(job.calibration), plan_for(job.network, job.calibration)
    float_file = to_onnx(job.network, inputs, outputs, "fp16", parts_at_precision)
    model = quantised(float_file, images.at(size), plan, TENSORRT)
    check_precision(onnx.load_from_string(model), job.precision)
    return Converted(model, inputs, outputs, TOOLS, images.sha256)


def prove(path: Path, artifact: Artifact) -> OnnxRuntime:
    """Builds engines where TensorRT-RTX is installed, and opens the file in ONNX Runtime.

    Raises:
        ExportError: If TensorRT warns of something that is not understood, or calculates
            convolutions in another precision than the file has them in.
    """
    try:
        library = find_library()
    except MissingDependencyError:
        library = None
    if library is not None and library.is_rtx:
        check_engines(path, artifact, library)
    return AsWritten(path, artifact)


class AsWritten(OnnxRuntime):
    """ONNX Runtime on the CPU, node by node as the file has them.

    Optimised, it evaluates QuantizeLinear and DequantizeLinear beside fp16 wrongly: 21 dB where
    there should be 44.
    """

    optimize = False


def check_engines(
    path: Path, artifact: Artifact, library: Library, capabilities: Sequence[str] = CAPABILITIES
) -> dict[str, dict[str, float]]:
    """Builds a file's engines with TensorRT-RTX, and looks into the logs.

    Returns:
        Compute capabilities to what `layers.shares` gives.

    Raises:
        ExportError: See `prove`.
    """
    content = path.read_bytes()
    model = onnx.load_from_string(content)
    wanted = int8_share(model) if artifact.precision == "int8" else 1.0
    found = {}
    for capability in capabilities:
        shapes = PROFILES[artifact.role].shapes(artifact.inputs[0])
        log = build(library, content, shapes, capability=capability, detailed=True).log
        odd = unexplained(log, KNOWN_WARNINGS)
        if odd:
            raise ExportError(f"{library.title} warns about {path.name}: {'; '.join(odd[:3])}")
        found[capability] = shares(model, log)
        if found[capability].get(_TYPES[artifact.precision], 0.0) < wanted - MOST_LOST:
            told = ", ".join(f"{kind} {share:.1%}" for kind, share in found[capability].items())
            raise ExportError(
                f"{path.name} has {wanted:.1%} of the work of its convolutions in "
                f"{artifact.precision}, but {library.title} would calculate on compute capability "
                f"{capability}: {told}"
            )
    return found
