"""ONNX, fp32 or fp16: one self-contained file, any batch size, the same bytes each time."""

from __future__ import annotations

import hashlib
import logging
import platform
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch

from unmask_sdk.errors import ConfigError, ExportError
from unmask_sdk.export import manifest
from unmask_sdk.export.precision import at_precision, check_precision
from unmask_sdk.export.roles import DETECTOR_STEP, role_of
from unmask_sdk.export.verify import golden_vectors, measure, pictures
from unmask_sdk.manifest import (
    WEIGHTS_PACKAGE,
    Artifact,
    Golden,
    Parity,
    TensorSpec,
    sha256_of,
    weights_root,
)
from unmask_sdk.runtimes.onnx import OnnxRuntime
from unmask_sdk.training.checkpoint import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unmask_sdk.export.formats import Progress

OPSET = 20
# The oldest IR that holds opset 20: readable from ONNX Runtime 1.17 on.
IR_VERSION = 9


def export(
    weights: Sequence[Path], folder: Path, precision: str, progress: Progress
) -> tuple[Artifact, ...]:
    """Exports each weight file; arguments as for `unmask_sdk.export.formats.export`."""
    progress("reading weights")
    networks = [(file, load_network(file).eval()) for file in weights]
    names = [role_of(network).name for _, network in networks]
    if len(set(names)) != len(names):
        raise ConfigError(f"give one weight file for each role; got {', '.join(names)}")
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    for file, network in networks:
        entries, files = _export_one(file, network, precision, progress)
        artifacts += entries
        contents |= files
    progress(f"writing {folder}")
    manifest.write(folder, manifest.merge(folder, artifacts), contents)
    return tuple(artifacts)


def convert(
    network: torch.nn.Module,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    precision: str = "fp32",
) -> bytes:
    """Converts a network to the bytes of an ONNX file.

    Args:
        network: In evaluation mode, on the CPU.
        inputs: The one picture input; open dimensions become dynamic.
        outputs: The outputs in order.
        precision: `fp32` or `fp16`, of everything but the first and last steps.

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
        with _quiet():
            program = torch.onnx.export(
                at_precision(network, precision),
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


def _export_one(
    file: Path, network: torch.nn.Module, precision: str, progress: Progress
) -> tuple[list[Artifact], dict[str, bytes]]:
    role = role_of(network)
    size = role.size(network)
    name = role.artifact.format(size=size)
    inputs, outputs = role.inputs(size), role.outputs(size)
    progress(f"{name}: converting")
    model = convert(network, inputs, outputs, precision)
    progress(f"{name}: golden vectors")
    golden = golden_vectors(network, inputs, outputs)
    entry = Artifact(
        name=name,
        role=role.name,
        format="onnx",
        precision=precision,
        file=f"{name}-{precision}.onnx",
        package=None,
        sha256=hashlib.sha256(model).hexdigest(),
        bytes=len(model),
        inputs=inputs,
        outputs=outputs,
        weights_sha256=sha256_of(file),
        calibration_sha256=None,
        tools={tool: version(tool) for tool in ("torch", "onnx", "onnxscript", "onnxruntime")},
        golden=Golden(
            file=f"golden/{name}.npz",
            sha256=hashlib.sha256(golden).hexdigest(),
            tolerance=role.tolerance,
            min_psnr_db=role.min_psnr_db.get(precision),
        ),
        parity=(),
    )
    progress(f"{name}: comparing with torch")
    entry = replace(entry, parity=_certify(network, model, entry))
    reference, copied = _reference_entry(file, entry)
    return [entry, reference], {entry.file: model, entry.golden.file: golden, **copied}


def _certify(network: torch.nn.Module, model: bytes, entry: Artifact) -> tuple[Parity, ...]:
    with tempfile.TemporaryDirectory(prefix="unmask-export-") as scratch:
        path = Path(scratch) / entry.file
        path.write_bytes(model)
        with OnnxRuntime(path, entry) as runtime:
            reference = f"torch {torch.__version__} fp32, {platform.machine()} CPU"
            return measure(network, runtime, reference)


def _reference_entry(file: Path, exported: Artifact) -> tuple[Artifact, dict[str, bytes]]:
    """Gives the entry of the weights themselves, and the file to copy if they are not ours."""
    entry = replace(
        exported,
        format="safetensors",
        precision="fp32",
        golden=replace(exported.golden, min_psnr_db=None),
        package=WEIGHTS_PACKAGE,
        sha256=exported.weights_sha256,
        bytes=file.stat().st_size,
        tools={"torch": version("torch")},
        parity=(),
    )
    root = weights_root().resolve()
    if file.resolve().is_relative_to(root):
        return replace(entry, file=file.resolve().relative_to(root).as_posix()), {}
    copy = f"{exported.name}.safetensors"
    return replace(entry, file=copy, package=None), {copy: file.read_bytes()}


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
def _quiet() -> Iterator[None]:
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
