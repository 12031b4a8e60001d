"""Proof for an exported file: golden vectors, and the measured distance from the reference."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.manifest import Parity, TensorSpec
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ExportError
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.verify import compare, worst

# Golden vectors are shipped, so they are few; the parity measurement has pictures of its own.
GOLDEN_IMAGES = 3
GOLDEN_SEED = 0
PARITY_SEED = 1
# Uneven batches: a graph with a batch size baked in shows itself.
PARITY_BATCHES = (1, 2, 5, 8, 16, 16, 16)
# Heights and widths, for graphs that take any.
OPEN_SIZES = ((160, 192), (96, 96), (256, 320))


def pictures(spec: TensorSpec, count: int, seed: int, turn: int = 0) -> UInt8Array:
    """Draws inputs of the shape that a graph takes; `turn` picks among sizes if any goes."""
    height, width = OPEN_SIZES[turn % len(OPEN_SIZES)]
    return draw_masked_faces(count, spec.shape[1] or height, spec.shape[2] or width, seed)


def run_reference(network: torch.nn.Module, image: UInt8Array) -> list[AnyArray]:
    """Runs the reference network on the CPU."""
    with torch.inference_mode():
        outputs: tuple[torch.Tensor, ...] = network(torch.from_numpy(image))
    return [output.contiguous().numpy() for output in outputs]


def golden_vectors(
    network: torch.nn.Module, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> bytes:
    """Makes the npz that `unmask verify` runs: `in_NAME` and `out_NAME` arrays."""
    image = pictures(inputs[0], GOLDEN_IMAGES, GOLDEN_SEED)
    arrays: dict[str, Any] = {f"in_{inputs[0].name}": image}
    for spec, output in zip(outputs, run_reference(network, image), strict=True):
        arrays[f"out_{spec.name}"] = output
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def measure(network: torch.nn.Module, runtime: Runtime[Any], reference: str) -> tuple[Parity, ...]:
    """Measures an opened artifact against the reference network.

    Returns:
        The certificate, one record for each output.

    Raises:
        ExportError: If an output is further off than the artifact's golden vectors allow.
    """
    artifact = runtime.artifact
    expected: dict[str, list[AnyArray]] = {spec.name: [] for spec in artifact.outputs}
    actual: dict[str, list[AnyArray]] = {spec.name: [] for spec in artifact.outputs}
    for image in _batches(artifact.inputs[0]):
        results = runtime.run_named(**{artifact.inputs[0].name: image})
        for spec, output in zip(artifact.outputs, run_reference(network, image), strict=True):
            expected[spec.name].append(output.ravel())
            actual[spec.name].append(results[spec.name].ravel())
    certificate = []
    for name in expected:
        want, got = np.concatenate(expected[name]), np.concatenate(actual[name])
        parity = compare(name, want, got, images=sum(PARITY_BATCHES), reference=reference)
        found = worst([(parity, want)])
        if not found.within(artifact.golden):
            raise ExportError(
                f"{artifact.file}: output {name} is too far from {reference}: "
                f"{found.against(artifact.golden)}; nothing was written"
            )
        certificate.append(parity)
    return tuple(certificate)


def _batches(spec: TensorSpec) -> Iterator[UInt8Array]:
    for turn, count in enumerate(PARITY_BATCHES):
        yield pictures(spec, count, PARITY_SEED + turn, turn)
