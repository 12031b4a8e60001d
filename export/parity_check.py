"""Verification of an exported file: golden vectors, and the measured error against torch."""

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
from unmask_sdk.golden_vectors import compare, worst
from unmask_sdk.runtimes.base import Runtime

# Golden vectors are shipped, so they are few; parity is measured on other images.
GOLDEN_IMAGES = 3
GOLDEN_SEED = 0
PARITY_SEED = 1
# Batches of several sizes, to find graphs with a fixed batch size.
PARITY_BATCHES = (1, 2, 5, 8, 16, 16, 16)
# Heights and widths in pixels, for graphs that take any.
OPEN_SIZES = ((160, 192), (96, 96), (256, 320))


def sample_inputs(spec: TensorSpec, count: int, seed: int, size_index: int = 0) -> UInt8Array:
    """Draws synthetic inputs of the shape that a graph takes.

    Args:
        spec: The graph's input.
        count: Number of images.
        seed: Seed of the drawing; the same seed gives the same images.
        size_index: Chooses one of `OPEN_SIZES` if the graph takes any height and width.

    Returns:
        uint8 `[count, H, W, 3]`.
    """
    height, width = OPEN_SIZES[size_index % len(OPEN_SIZES)]
    return draw_masked_faces(count, spec.shape[1] or height, spec.shape[2] or width, seed)


def run_reference(network: torch.nn.Module, image: UInt8Array) -> list[AnyArray]:
    """Runs the reference network on the CPU; returns its outputs in order."""
    with torch.inference_mode():
        outputs: tuple[torch.Tensor, ...] = network(torch.from_numpy(image))
    return [output.contiguous().numpy() for output in outputs]


def golden_vectors(
    network: torch.nn.Module, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> bytes:
    """Returns the npz that `unmask verify` runs: `in_NAME` and `out_NAME` arrays."""
    image = sample_inputs(inputs[0], GOLDEN_IMAGES, GOLDEN_SEED)
    arrays: dict[str, Any] = {f"in_{inputs[0].name}": image}
    for spec, output in zip(outputs, run_reference(network, image), strict=True):
        arrays[f"out_{spec.name}"] = output
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def measure(network: torch.nn.Module, runtime: Runtime[Any], reference: str) -> tuple[Parity, ...]:
    """Measures an opened artifact against the reference network.

    Args:
        network: The reference, in evaluation mode, on the CPU.
        runtime: The opened artifact.
        reference: What the reference is, for the manifest.

    Returns:
        The parity of each output.

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
    measured = []
    for name in expected:
        want, got = np.concatenate(expected[name]), np.concatenate(actual[name])
        parity = compare(name, want, got, images=sum(PARITY_BATCHES), reference=reference)
        found = worst([(parity, want)])
        if not found.within(artifact.golden):
            raise ExportError(
                f"{artifact.file}: output {name} is too far from {reference}: "
                f"{found.against(artifact.golden)}; nothing was written"
            )
        measured.append(parity)
    return tuple(measured)


def _batches(spec: TensorSpec) -> Iterator[UInt8Array]:
    for index, count in enumerate(PARITY_BATCHES):
        yield sample_inputs(spec, count, PARITY_SEED + index, index)
