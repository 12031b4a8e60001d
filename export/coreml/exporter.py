"""Core ML: a `.mlpackage` with an ML program for iOS 17 and macOS 14.

The program takes one RGB image of fixed size per run, as `CVPixelBuffer` or PIL image. The unmasker
returns an RGB image and its mask as a gray image; the locator's networks return arrays.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unmask_sdk.calibration.plan import Int8Plan, plan_for
from unmask_sdk.calibration.ranges import Ranges, find_ranges, observe
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import ExportError
from unmask_sdk.export.job import Content, Converted, Job
from unmask_sdk.export.metadata import AUTHOR, Metadata
from unmask_sdk.export.onnx.exporter import float_graph
from unmask_sdk.export.onnx.folding import fold_batch_norms
from unmask_sdk.export.quiet_converters import quiet_converters
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph

from .mil_interpreter import MilRuntime, ct, read
from .precision import is_inside, quantize_program, weights_by_precision

TOOLS = ("torch", "coremltools")
QUANTIZED = ("w8", "w8a8")

# Places in a package.
_MODEL = "Data/com.apple.CoreML/model.mlmodel"
_WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
_TARGET = ct.target.iOS17
# What coremltools raises for a network that it cannot convert.
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
    """A graph that takes its image as Core ML passes it: float planes `[1, 3, H, W]`, 0..255."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.inner = graph

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Returns the graph's outputs; images as float planes too."""
        outputs: tuple[Tensor, ...]
        if isinstance(self.inner, UnmaskerGraph):
            outputs = self.inner.blend(image)
        else:
            outputs = self.inner(image.permute(0, 2, 3, 1))
        return outputs


def convert(job: Job) -> Converted:
    """Converts a network; see `job.FormatModule`."""
    size = job.role.size(job.network) or TILE
    inputs = tuple(_single(spec) for spec in job.role.inputs(size))
    outputs = tuple(_single(spec) for spec in job.role.outputs(size))
    digest = None
    program = _program(fold_batch_norms(job.network), size, outputs, halved=job.precision != "fp32")
    if job.precision in QUANTIZED:
        plan = plan_for(job.network, job.calibration)
        activations = None
        if job.precision == "w8a8":
            images = job.calibration.load()
            digest = images.sha256
            activations = conv_ranges(job, images.at(size), plan)
        quantize_program(program, plan.keep_float, activations)
    shapes = {variable.name: variable.shape for variable in program.functions["main"].outputs}
    outputs = tuple(
        spec if spec.dtype == "uint8" else TensorSpec(spec.name, spec.dtype, shapes[spec.name])
        for spec in outputs
    )
    content, counts = _package(program)
    return Converted(content, inputs, outputs, TOOLS, counts, digest)


def write_metadata(content: Content, metadata: Metadata) -> Mapping[str, bytes]:
    """Returns the package with the metadata that Xcode shows; see `job.FormatModule`."""
    assert isinstance(content, Mapping)
    spec = ct.proto.Model_pb2.Model.FromString(content[_MODEL])
    description = spec.description
    description.metadata.shortDescription = metadata.summary()
    description.metadata.author = AUTHOR
    description.metadata.license = metadata.license
    description.metadata.versionString = metadata.version
    description.metadata.userDefined.update(metadata.fields())
    for features, texts in (
        (description.input, metadata.inputs),
        (description.output, metadata.outputs),
    ):
        for feature in features:
            feature.shortDescription = texts[feature.name]
    return _files(spec, content[_WEIGHTS])


def open_converted(path: Path, artifact: Artifact) -> MilRuntime:
    """Opens a finished package in our interpreter of MIL programs: Core ML itself needs a Mac."""
    return MilRuntime(path, artifact)


def conv_ranges(job: Job, images: UInt8Array, plan: Int8Plan) -> Ranges:
    """Returns the range of each convolution's input, by the convolution's torch name.

    Args:
        job: The job; its network is an unmasker.
        images: uint8 `[N, S, S, 3]` calibration crops in the network's size.
        plan: How ranges are derived.
    """
    graph = float_graph(job.network)
    tensors = {name: node.input[0] for name, node in graph.convolutions.items()}
    observed = observe(
        graph.file, sorted(set(tensors.values())), images, counted=plan.method != "minmax"
    )
    found = find_ranges(observed, plan.method)
    return {name: found[tensor] for name, tensor in tensors.items()}


def _single(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, spec.dtype, (1, *spec.shape[1:]))


def _program(
    network: nn.Module, size: int, outputs: tuple[TensorSpec, ...], *, halved: bool
) -> Any:
    """Converts a network to a MIL program; `halved` puts its inner operations in float16."""
    shape = (1, 3, size, size)
    precision = ct.transform.FP16ComputePrecision(is_inside) if halved else ct.precision.FLOAT32
    try:
        with quiet_converters(), torch.inference_mode():
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
    gray = spec.shape[-1] == 1
    return ct.ImageType(
        spec.name, color_layout=ct.colorlayout.GRAYSCALE if gray else ct.colorlayout.RGB
    )


def _package(program: Any) -> tuple[Mapping[str, bytes], Mapping[str, int]]:
    """Returns the files of the package, and its weights counted by precision."""
    _rename(program)
    with scratch_folder("unmask-coreml-") as folder:
        path = folder / "model.mlpackage"
        try:
            with quiet_converters():
                model = ct.convert(
                    program,
                    source="milinternal",
                    convert_to="mlprogram",
                    minimum_deployment_target=_TARGET,
                    # All other passes ran when the program was made.
                    pass_pipeline=ct.PassPipeline(["common::dead_code_elimination"]),
                    skip_model_load=True,
                )
                model.save(str(path))
        except _CONVERT_ERRORS as error:
            raise ExportError(f"coremltools {ct.__version__} could not write: {error}") from error
        spec, function = read(path)
        counts = weights_by_precision(function)
        # Date and tool versions. Our manifest has the versions, and no date.
        spec.description.ClearField("metadata")
        weights = (path / _WEIGHTS).read_bytes()
    return _files(spec, weights), counts


def _files(spec: Any, weights: bytes) -> Mapping[str, bytes]:
    model = spec.SerializeToString(deterministic=True)
    return {"Manifest.json": _contents(model), _MODEL: model, _WEIGHTS: weights}


def _contents(model: bytes) -> bytes:
    """Returns the package's table of contents, with identifiers derived from the model.

    Opening a package rewrites the table with sorted keys, which must not change a byte.
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

    Core ML replaces characters in the names from torch, which may then collide: `image.1` and
    `image_1`.
    """
    function = program.functions["main"]
    ends = {variable.name for variable in function.outputs}
    for k, operation in enumerate(function.operations):
        operation.name = f"{operation.op_type}_{k}"
        for variable in operation.outputs:
            if variable.name not in ends:
                variable.name = operation.name
