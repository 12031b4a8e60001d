"""TFLite in fp32, fp16 or int8: fixed shapes, one image per run.

Exporting the same weights again gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import litert_torch
import torch
from torch import Tensor, nn

from unmask_sdk.calibration.plan import convolutions, plan_for
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.export.job import Content, Converted, Job
from unmask_sdk.export.metadata import Metadata
from unmask_sdk.export.parity_check import run_reference, sample_inputs
from unmask_sdk.export.quiet_converters import quiet_converters
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.runtimes.tflite import TFLiteRuntime

from .channels_last import channels_last
from .metadata import with_metadata
from .precision import conv_work_by_precision, with_short_names
from .quantize import quantize_by_plan, to_fp16, to_fp32

TOOLS = ("torch", "litert-torch", "ai-edge-quantizer")


def convert(job: Job) -> Converted:
    """Converts a network; see `job.FormatModule`. Detectors take one tile."""
    size = job.role.size(job.network) or TILE
    inputs = _fixed(job.role.inputs(size), [(1, size, size, 3)])
    results = run_reference(job.network, sample_inputs(inputs[0], 1, seed=0))
    outputs = _fixed(job.role.outputs(size), [result.shape for result in results])
    content = job.convert_once("tflite", lambda: to_tflite(job.network, inputs, outputs))
    content = with_short_names(content, _layers(job.network))
    digest = None
    if job.precision == "fp32":
        content = to_fp32(content)
    elif job.precision == "fp16":
        content = to_fp16(content)
    else:
        images, plan = job.calibration_images(size), plan_for(job.network, job.calibration)
        content = quantize_by_plan(content, images, plan)
        digest = job.calibration.load().sha256
    counts = conv_work_by_precision(content)
    return Converted(content, inputs, outputs, TOOLS, counts, digest)


def write_metadata(content: Content, metadata: Metadata) -> bytes:
    """Returns the file with its metadata; see `job.FormatModule`."""
    assert isinstance(content, bytes)
    return with_metadata(content, metadata)


def open_converted(path: Path, artifact: Artifact) -> TFLiteRuntime:
    """Opens a finished file in LiteRT."""
    return TFLiteRuntime(path, artifact)


class _NamedOutputs(nn.Module):
    """A graph that returns its outputs by name, from which the converter makes the signature."""

    def __init__(self, graph: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network = graph
        self.names = names

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.names, self.network(image), strict=True))


def to_tflite(
    network: nn.Module, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> bytes:
    """Converts a network to the bytes of a TFLite file in fp32.

    Args:
        network: In evaluation mode, on the CPU.
        inputs: The single image input, of fixed shape.
        outputs: The outputs in order.

    Raises:
        ExportError: If the converter fails.
    """
    named = _NamedOutputs(channels_last(network), [spec.name for spec in outputs]).eval()
    sample = torch.from_numpy(sample_inputs(inputs[0], 1, seed=0))
    try:
        with quiet_converters():
            model = litert_torch.convert(named, sample_kwargs={inputs[0].name: sample})
            return bytes(model.model_content())
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ExportError(
            f"litert-torch {litert_torch.__version__} could not convert: {error}"
        ) from error


def _layers(network: nn.Module) -> dict[str, str]:
    """Returns the torch names of convolutions by the names of the modules called on the way.

    A `ModuleList` is not called, so the converter does not know its name.
    """

    def called(name: str) -> str:
        parts = name.split(".")
        modules = [network.get_submodule(".".join(parts[: k + 1])) for k in range(len(parts))]
        kept = [p for p, m in zip(parts, modules, strict=True) if not isinstance(m, nn.ModuleList)]
        return ".".join(kept)

    return {called(name): name for name in convolutions(network)}


def _fixed(
    specs: tuple[TensorSpec, ...], shapes: Sequence[tuple[int, ...]]
) -> tuple[TensorSpec, ...]:
    """Returns the specs with the shapes that they have in the file."""
    return tuple(replace(spec, shape=shape) for spec, shape in zip(specs, shapes, strict=True))
