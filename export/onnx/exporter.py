"""ONNX in fp32, fp16 or int8: one self-contained file for any batch size.

Exporting the same weights again gives the same bytes. Files in fp32 store 16-bit weights
(`half_weights`), and compute in fp32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch

from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.export.job import Content, Converted, Job
from unmask_sdk.export.metadata import Metadata
from unmask_sdk.export.parity_check import sample_inputs
from unmask_sdk.export.precision_check import check_precision
from unmask_sdk.export.quiet_converters import quiet_converters
from unmask_sdk.export.roles import DETECTOR_STEP, role_of
from unmask_sdk.runtimes.onnx import OnnxRuntime

from .half_weights import halve_weights
from .pad_channels import pad_channels
from .precision import conv_work_by_precision, to_precision
from .quantize import FloatGraph, quantize_by_plan
from .serialize import to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

OPSET = 20
# The oldest IR version that supports opset 20; ONNX Runtime reads it from 1.17 on.
IR_VERSION = 9
TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime")


def convert(job: Job) -> Converted:
    """Converts a network; see `job.FormatModule`."""
    size = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    digest = None
    if job.precision != "int8":
        content = float_file(job, job.precision)
    else:
        images, plan = job.calibration_images(size), plan_for(job.network, job.calibration)
        # Padding is for ONNX Runtime, which runs the locator in float.
        if job.role.name == "unmasker":
            content = to_onnx(pad_channels(job.network), inputs, outputs)
        else:
            content = float_file(job)
        content = quantize_by_plan(content, images, plan)
        digest = job.calibration.load().sha256
    model = onnx.load_from_string(content)
    if job.precision == "fp32":
        halve_weights(model, job.network)
        onnx.checker.check_model(model, full_check=True)
        content = to_bytes(model)
    counts = conv_work_by_precision(model)
    return Converted(content, inputs, outputs, TOOLS, counts, digest)


def write_metadata(content: Content, metadata: Metadata) -> bytes:
    """Returns the file with `metadata_props` and descriptions; see `job.FormatModule`."""
    assert isinstance(content, bytes)
    model = onnx.load_from_string(content)
    model.doc_string = metadata.summary()
    onnx.helper.set_model_props(model, metadata.fields())
    for values, texts in (
        (model.graph.input, metadata.inputs),
        (model.graph.output, metadata.outputs),
    ):
        for value in values:
            value.doc_string = texts[value.name]
    return to_bytes(model)


def open_converted(path: Path, artifact: Artifact) -> OnnxRuntime:
    """Opens a finished file in ONNX Runtime."""
    return OnnxRuntime(path, artifact)


def float_file(job: Job, precision: str = "fp32") -> bytes:
    """Returns the network of a job as an ONNX file, converted once for all that begin with it.

    Args:
        job: The job.
        precision: `fp32` or `fp16`; see `to_onnx`.

    Raises:
        ExportError: See `to_onnx`.
    """
    size = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    return job.convert_once(
        f"onnx {precision}", lambda: to_onnx(job.network, inputs, outputs, precision)
    )


def to_onnx(
    network: torch.nn.Module,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    precision: str = "fp32",
    cast: Callable[[torch.nn.Module, str], torch.nn.Module] = to_precision,
) -> bytes:
    """Converts a network to the bytes of an ONNX file.

    Args:
        network: In evaluation mode, on the CPU.
        inputs: The single image input; open dimensions become dynamic.
        outputs: The outputs in order.
        precision: `fp32` or `fp16`, of everything but the first and last steps.
        cast: Returns a copy of the network in the precision.

    Raises:
        ExportError: If torch's exporter or ONNX's checker fails, or the file has another precision.
    """
    # Two images, because the exporter treats a batch of one as a constant.
    sample = torch.from_numpy(sample_inputs(inputs[0], 2, seed=0))
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch")}
    for axis, name in ((1, "rows"), (2, "columns")):
        if inputs[0].shape[axis] is None:
            dynamic[axis] = DETECTOR_STEP * torch.export.Dim(name)
    try:
        with quiet_converters():
            program = torch.onnx.export(
                cast(network, precision),
                (sample,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                dynamic_shapes=(dynamic,),
                verbose=False,
            )
        if program is None:
            raise ExportError("torch.onnx.export returned no program; use torch >= 2.9")
        model = program.model_proto
        _strip(model, inputs, outputs)
        onnx.checker.check_model(model, full_check=True)
    except (torch.onnx.errors.OnnxExporterError, onnx.checker.ValidationError) as error:
        raise ExportError(f"torch {torch.__version__} could not export: {error}") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        raise ExportError(f"asked for opset {OPSET}, got {opsets}")
    check_precision(conv_work_by_precision(model), precision)
    return to_bytes(model)


def float_graph(network: torch.nn.Module) -> FloatGraph:
    """Converts a network in fp32 and returns the graph, ready to be quantized.

    Raises:
        ExportError: If the conversion fails, or the network is of no exportable kind.
    """
    role = role_of(network)
    size = role.size(network)
    return FloatGraph(to_onnx(network, role.inputs(size), role.outputs(size)))


def _strip(
    model: onnx.ModelProto, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> None:
    """Removes traces of where and when the file was made, and names the open dimensions."""
    model.ir_version = IR_VERSION
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name = "unmask"
    # Intermediate shapes have generated symbol names, and every engine infers shapes itself.
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    for values, specs in ((graph.input, inputs), (graph.output, outputs)):
        for value, spec in zip(values, specs, strict=True):
            for axis, (dim, size) in enumerate(
                zip(value.type.tensor_type.shape.dim, spec.shape, strict=True)
            ):
                if size is None:
                    dim.dim_param = "batch" if axis == 0 else f"{spec.name}_{axis}"
