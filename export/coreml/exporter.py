"""Core ML: a `.mlpackage` with an ML program for iOS 17 and macOS 14; pictures in and out.

The program takes an RGB picture of one size, one at a time, as `CVPixelBuffer` or PIL image. The
unmasker gives an RGB picture and its mask as a grey one; the locator's networks give arrays.
"""

from __future__ import annotations

import io
import json
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unmask_sdk.calibration.images import read_images
from unmask_sdk.calibration.plan import Plan, plan_for
from unmask_sdk.calibration.ranges import observe, ranges
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.export.onnx.exporter import to_onnx
from unmask_sdk.export.onnx.folding import folded
from unmask_sdk.export.onnx.quantize import FloatGraph
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.training.nets.graph import UnmaskerGraph

from .mil_interpreter import MilRuntime, ct, read
from .mil_precision import achieved, is_inside, quantise

TOOLS = ("torch", "coremltools")
QUANTISED = ("w8", "w8a8")

_TARGET = ct.target.iOS17
# What coremltools raises over a network that it cannot convert.
_CONVERT_ERRORS = (
    AssertionError,
    AttributeError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Planes(nn.Module):
    """A graph as Core ML feeds it: its picture is float planes `[1, 3, H, W]`, 0..255."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.inner = graph

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...]
        if isinstance(self.inner, UnmaskerGraph):
            outputs = self.inner.blend(image)
        else:
            outputs = self.inner(image.permute(0, 2, 3, 1))
        return outputs


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`."""
    size = job.role.size(job.network) or TILE
    inputs = tuple(_single(spec) for spec in job.role.inputs(size))
    outputs = tuple(_single(spec) for spec in job.role.outputs(size))
    digest = None
    program = _program(folded(job.network), size, outputs, halved=job.precision != "fp32")
    if job.precision in QUANTISED:
        plan = plan_for(job.network, job.calibration)
        activations = None
        if job.precision == "w8a8":
            images = read_images(job.calibration)
            digest = images.sha256
            activations = conv_ranges(job, images.at(size), plan)
        quantise(program, plan.keep_float, activations)
    shapes = {variable.name: variable.shape for variable in program.functions["main"].outputs}
    outputs = tuple(
        spec if spec.dtype == "uint8" else TensorSpec(spec.name, spec.dtype, shapes[spec.name])
        for spec in outputs
    )
    return Converted(_package(program, job.precision), inputs, outputs, TOOLS, digest)


def prove(path: Path, artifact: Artifact) -> MilRuntime:
    """Opens a finished file in our interpreter of its programs: Core ML itself needs a Mac."""
    return MilRuntime(path, artifact)


def conv_ranges(job: Job, images: UInt8Array, plan: Plan) -> dict[str, tuple[float, float]]:
    """The range of each convolution's input by the plan's method, by the convolution's torch name.

    Args:
        job: What is converted, an unmasker.
        images: uint8 `[N, S, S, 3]` calibration crops in its size.
        plan: How ranges are taken.
    """
    size = images.shape[1]
    graph = FloatGraph(to_onnx(job.network, job.role.inputs(size), job.role.outputs(size)))
    tensors = {name: node.input[0] for name, node in graph.convolutions.items()}
    observed = observe(
        graph.file, sorted(set(tensors.values())), images, counted=plan.method != "minmax"
    )
    chosen = ranges(observed, plan.method)
    return {name: chosen[tensor] for name, tensor in tensors.items()}


def _single(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, spec.dtype, (1, *spec.shape[1:]))


def _program(
    network: nn.Module, size: int, outputs: tuple[TensorSpec, ...], *, halved: bool
) -> Any:
    """Converts a network to a MIL program, what lies inside it in float16 if wanted."""
    shape = (1, 3, size, size)
    precision = ct.transform.FP16ComputePrecision(is_inside) if halved else ct.precision.FLOAT32
    try:
        with _quiet(), torch.inference_mode():
            trace: Any = torch.jit.trace
            traced = trace(Planes(network).eval(), torch.zeros(shape), check_trace=False)
            program = ct.convert(
                traced,
                convert_to="milinternal",
                minimum_deployment_target=_TARGET,
                compute_precision=precision,
                inputs=[ct.ImageType("image", shape, color_layout=ct.colorlayout.RGB)],
                outputs=[_output(spec) for spec in outputs],
            )
    except _CONVERT_ERRORS as error:
        raise ExportError(f"coremltools {ct.__version__} could not convert: {error}") from error
    return program


def _output(spec: TensorSpec) -> Any:
    if spec.dtype != "uint8":
        return ct.TensorType(spec.name, dtype=np.dtype(spec.dtype).type)
    grey = spec.shape[-1] == 1
    return ct.ImageType(
        spec.name, color_layout=ct.colorlayout.GRAYSCALE if grey else ct.colorlayout.RGB
    )


def _package(program: Any, precision: str) -> Mapping[str, bytes]:
    """The files of the package, after counting their precision."""
    _rename(program)
    with tempfile.TemporaryDirectory(prefix="unmask-coreml-") as folder:
        path = Path(folder) / "model.mlpackage"
        try:
            with _quiet():
                model = ct.convert(
                    program,
                    source="milinternal",
                    convert_to="mlprogram",
                    minimum_deployment_target=_TARGET,
                    # The rest was done when the program was made.
                    pass_pipeline=ct.PassPipeline(["common::dead_code_elimination"]),
                    skip_model_load=True,
                )
                model.save(str(path))
        except _CONVERT_ERRORS as error:
            raise ExportError(f"coremltools {ct.__version__} could not write: {error}") from error
        spec, function = read(path)
        got = achieved(function)
        if got != precision:
            raise ExportError(
                f"asked for {precision}, the exported file is {got}; nothing was written"
            )
        # When, and by what: that stands in our manifest, without the date.
        spec.description.ClearField("metadata")
        weights = (path / "Data/com.apple.CoreML/weights/weight.bin").read_bytes()
    files = {
        "com.apple.CoreML/model.mlmodel": spec.SerializeToString(deterministic=True),
        "com.apple.CoreML/weights/weight.bin": weights,
    }
    return {
        "Manifest.json": _contents(files["com.apple.CoreML/model.mlmodel"]),
        **{f"Data/{name}": content for name, content in files.items()},
    }


def _contents(model: bytes) -> bytes:
    """The package's list of contents; its identifiers follow from the model, not from chance.

    Opening a package writes its list anew, with sorted keys: that must not change a byte.
    """
    items = {
        str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {sha256(model).hexdigest()}")): {
            "author": "com.apple.CoreML",
            "description": f"CoreML Model {kind}",
            "name": name,
            "path": f"com.apple.CoreML/{name}",
        }
        for name, kind in (("model.mlmodel", "Specification"), ("weights", "Weights"))
    }
    text = json.dumps(
        {
            "fileFormatVersion": "1.0.0",
            "itemInfoEntries": items,
            "rootModelIdentifier": next(iter(items)),
        },
        indent=4,
        sort_keys=True,
    )
    return f"{text}\n".encode()


def _rename(program: Any) -> None:
    """Numbers a program's values.

    The names from torch, made fit for Core ML, can fall together: `image.1` and `image_1`.
    """
    function = program.functions["main"]
    ends = {variable.name for variable in function.outputs}
    for k, operation in enumerate(function.operations):
        operation.name = f"{operation.op_type}_{k}"
        for variable in operation.outputs:
            if variable.name not in ends:
                variable.name = operation.name


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences progress bars, and the tracer's remarks on sizes that are indeed fixed."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
