"""ONNX, fp32, fp16 or int8: one self-contained file, any batch size, the same bytes each time."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch

from unmask_sdk.calibration.images import read_images
from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.export.roles import DETECTOR_STEP
from unmask_sdk.export.verify import pictures
from unmask_sdk.runtimes.onnx import OnnxRuntime

from .pad_channels import wide
from .precision import at_precision, check_precision
from .quantize import quantised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPSET = 20
# The oldest IR that holds opset 20: readable from ONNX Runtime 1.17 on.
IR_VERSION = 9


TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime")


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`."""
    size = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    if job.precision != "int8":
        model = to_onnx(job.network, inputs, outputs, job.precision)
        return Converted(model, inputs, outputs, TOOLS)
    images, plan = read_images(job.calibration), plan_for(job.network, job.calibration)
    model = quantised(to_onnx(wide(job.network), inputs, outputs), images.at(size), plan)
    check_precision(onnx.load_from_string(model), job.precision)
    return Converted(model, inputs, outputs, TOOLS, images.sha256)


def prove(path: Path, artifact: Artifact) -> OnnxRuntime:
    """Opens a finished file in ONNX Runtime."""
    return OnnxRuntime(path, artifact)


def to_onnx(
    network: torch.nn.Module,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    precision: str = "fp32",
    lower: Callable[[torch.nn.Module, str], torch.nn.Module] = at_precision,
) -> bytes:
    """Converts a network to the bytes of an ONNX file.

    Args:
        network: In evaluation mode, on the CPU.
        inputs: The one picture input; open dimensions become dynamic.
        outputs: The outputs in order.
        precision: `fp32` or `fp16`, of everything but the first and last steps.
        lower: Brings a copy of the network to the precision.

    Raises:
        ExportError: If the exporter or the checker refuses it, or the precision is another.
    """
    # Two pictures, because the exporter takes a batch of one for a constant.
    sample = torch.from_numpy(pictures(inputs[0], 2, seed=0))
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch")}
    for axis, name in ((1, "rows"), (2, "columns")):
        if inputs[0].shape[axis] is None:
            dynamic[axis] = DETECTOR_STEP * torch.export.Dim(name)
    try:
        with quiet():
            program = torch.onnx.export(
                lower(network, precision),
                (sample,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                dynamic_shapes=(dynamic,),
                verbose=False,
            )
        if program is None:
            raise ExportError("torch.onnx.export gave no program; use torch >= 2.9")
        model = program.model_proto
        _strip(model, inputs, outputs)
        onnx.checker.check_model(model, full_check=True)
    except (torch.onnx.errors.OnnxExporterError, onnx.checker.ValidationError) as error:
        raise ExportError(f"torch {torch.__version__} could not export: {error}") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        raise ExportError(f"asked for opset {OPSET}, got {opsets}")
    check_precision(model, precision)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _strip(
    model: onnx.ModelProto, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> None:
    """Takes out what says where and when the file was made, and names the open dimensions."""
    model.ir_version = IR_VERSION
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name = "unmask"
    # Intermediate shapes carry generated symbol names; every engine infers them anew.
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


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the exporter's remarks about packages that are not involved."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
