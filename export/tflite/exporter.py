"""TFLite: fixed shapes, one picture at a time, the same bytes each time; fp32, fp16 or int8."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import litert_torch
import torch
from torch import Tensor, nn

from unmask_sdk.calibration.images import read_images
from unmask_sdk.calibration.plan import convolutions, plan_for
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.errors import ExportError
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.export.verify import pictures, run_reference
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.runtimes.tflite import TFLiteRuntime

from .channels_last import channels_last
from .flatbuffer import check_precision, named
from .quantize import halved, quantised, unchanged

TOOLS = ("torch", "litert-torch", "ai-edge-quantizer")


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`. Detectors take one tile."""
    size = job.role.size(job.network) or TILE
    inputs = _fixed(job.role.inputs(size), [(1, size, size, 3)])
    answers = run_reference(job.network, pictures(inputs[0], 1, seed=0))
    outputs = _fixed(job.role.outputs(size), [answer.shape for answer in answers])
    content = named(to_tflite(job.network, inputs, outputs), _layers(job.network))
    digest = None
    if job.precision == "fp32":
        content = unchanged(content)
    elif job.precision == "fp16":
        content = halved(content)
    else:
        images = read_images(job.calibration)
        content = quantised(content, images.at(size), plan_for(job.network, job.calibration))
        digest = images.sha256
    check_precision(content, job.precision)
    return Converted(content, inputs, outputs, TOOLS, digest)


def prove(path: Path, artifact: Artifact) -> TFLiteRuntime:
    """Opens a finished file in LiteRT."""
    return TFLiteRuntime(path, artifact)


class _Named(nn.Module):
    """A graph that gives its outputs by name: the converter takes them for the signature."""

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
        inputs: The one picture input, of fixed shape.
        outputs: The outputs in order.

    Raises:
        ExportError: If the converter refuses it.
    """
    named = _Named(channels_last(network), [spec.name for spec in outputs]).eval()
    sample = torch.from_numpy(pictures(inputs[0], 1, seed=0))
    try:
        with _quiet():
            model = litert_torch.convert(named, sample_kwargs={inputs[0].name: sample})
            return bytes(model.model_content())
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ExportError(
            f"litert-torch {litert_torch.__version__} could not convert: {error}"
        ) from error


def _layers(network: nn.Module) -> dict[str, str]:
    """A network's convolutions by the modules that are called on the way; lists are not."""

    def called(name: str) -> str:
        parts = name.split(".")
        modules = [network.get_submodule(".".join(parts[: k + 1])) for k in range(len(parts))]
        kept = [p for p, m in zip(parts, modules, strict=True) if not isinstance(m, nn.ModuleList)]
        return ".".join(kept)

    return {called(name): name for name in convolutions(network)}


def _fixed(
    specs: tuple[TensorSpec, ...], shapes: Sequence[tuple[int, ...]]
) -> tuple[TensorSpec, ...]:
    """The specs with the shapes that they have in the file."""
    return tuple(replace(spec, shape=shape) for spec, shape in zip(specs, shapes, strict=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the converter, which reports every step."""
    shown = litert_torch.config.show_progress
    litert_torch.config.show_progress = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        litert_torch.config.show_progress = shown
