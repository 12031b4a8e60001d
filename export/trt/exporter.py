"""TensorRT: ONNX files whose types determine the precision of each layer.

TensorRT 10, TensorRT 11 and TensorRT for RTX read them with the same calls, and build an engine
from them on the device (`unmask_sdk.runtimes.engines`). The fp16 file is that of the format `onnx`;
the int8 file is a different one, quantized where TensorRT fuses, and in fp16 elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.errors import ExportError, MissingDependencyError
from unmask_sdk.export.job import Content, Converted, Job
from unmask_sdk.export.metadata import Metadata
from unmask_sdk.export.onnx.exporter import TOOLS, to_onnx
from unmask_sdk.export.onnx.exporter import convert as convert_onnx
from unmask_sdk.export.onnx.exporter import write_metadata as write_onnx_metadata
from unmask_sdk.export.onnx.precision import conv_work_by_precision, int8_share, parts_to_precision
from unmask_sdk.export.onnx.quantize import TENSORRT, quantize_by_plan
from unmask_sdk.runtimes.engines.build import build
from unmask_sdk.runtimes.engines.library import Library, find_library
from unmask_sdk.runtimes.engines.profiles import PROFILES
from unmask_sdk.runtimes.onnx import OnnxRuntime

from .precision import share_by_type, unexpected_messages

# Compute capabilities that TensorRT-RTX builds for as a check, without a GPU: Ampere, Blackwell.
CAPABILITIES = ("8.6", "12.0")
# Share of the multiplications in convolutions that a build may compute in another type than the
# file has, or leave out of its log.
MAX_OTHER_TYPE = 0.01
_TYPES = {"fp16": "Half", "int8": "Int8"}
# Harmless warnings: scales are fp16 numbers, which float32 represents exactly.
KNOWN_WARNINGS = (
    "Converting conv activation scales to fp32",
    "Converting conv weight scales to fp32",
)


def convert(job: Job) -> Converted:
    """Converts a network; see `job.FormatModule`."""
    if job.precision != "int8":
        return replace(convert_onnx(job), suffix=".onnx")
    size = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    images, plan = job.calibration_images(size), plan_for(job.network, job.calibration)
    float_model = to_onnx(job.network, inputs, outputs, "fp16", parts_to_precision)
    model = quantize_by_plan(float_model, images, plan, TENSORRT)
    counts = conv_work_by_precision(onnx.load_from_string(model))
    return Converted(model, inputs, outputs, TOOLS, counts, job.calibration.load().sha256)


def write_metadata(content: Content, metadata: Metadata) -> bytes:
    """Returns the file with its metadata, as of the format `onnx`; see `job.FormatModule`."""
    return write_onnx_metadata(content, metadata)


def open_converted(path: Path, artifact: Artifact) -> OnnxRuntime:
    """Builds engines if TensorRT-RTX is installed, and opens the file in ONNX Runtime.

    Raises:
        ExportError: If TensorRT reports a warning that is not known to be harmless, or computes
            convolutions in another precision than the file has.
    """
    try:
        library = find_library()
    except MissingDependencyError:
        library = None
    if library is not None and library.is_rtx:
        check_engines(path, artifact, library)
    return UnoptimizedOnnxRuntime(path, artifact)


class UnoptimizedOnnxRuntime(OnnxRuntime):
    """ONNX Runtime on the CPU without graph optimization: node by node, as in the file.

    With optimization, it quantizes biases in fp16: what they are divided by, the product of two
    scales, is subnormal, and their steps exceed its range (80,000 of 65,504): 21 dB instead of 44.
    """

    optimize = False


def check_engines(
    path: Path, artifact: Artifact, library: Library, capabilities: Sequence[str] = CAPABILITIES
) -> dict[str, dict[str, float]]:
    """Builds engines from a file with TensorRT-RTX, and checks the build logs.

    Args:
        path: The ONNX file.
        artifact: Its manifest entry.
        library: TensorRT-RTX.
        capabilities: Compute capabilities to build for.

    Returns:
        Results of `precision.share_by_type` by compute capability.

    Raises:
        ExportError: See `open_converted`.
    """
    content = path.read_bytes()
    model = onnx.load_from_string(content)
    wanted = int8_share(model) if artifact.precision == "int8" else 1.0
    found = {}
    for capability in capabilities:
        shapes = PROFILES[artifact.role].shapes(artifact.inputs[0])
        log = build(library, content, shapes, capability=capability, detailed=True).log
        unexpected = unexpected_messages(log, KNOWN_WARNINGS)
        if unexpected:
            raise ExportError(
                f"{library.title} warns about {path.name}: {'; '.join(unexpected[:3])}"
            )
        found[capability] = share_by_type(model, log)
        if found[capability].get(_TYPES[artifact.precision], 0.0) < wanted - MAX_OTHER_TYPE:
            types = ", ".join(f"{kind} {share:.1%}" for kind, share in found[capability].items())
            raise ExportError(
                f"{path.name} has {wanted:.1%} of the work of its convolutions in "
                f"{artifact.precision}, but {library.title} would compute on compute "
                f"capability {capability}: {types}"
            )
    return found
