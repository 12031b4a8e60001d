"""Which convolutions suffer from int8, and the fewest that must stay in float."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unmask_sdk.calibration.ranges import Ranges
from unmask_sdk.errors import DataError
from unmask_sdk.export.onnx.quantize import FloatGraph

from .scoring import Judge, Loss

# Errors of single layers are far above chance on so few pairs: they are measured against float.
PAIRS = 8


def loss_of(
    graph: FloatGraph, judge: Judge, ranges: Ranges, kept: Sequence[str], **options: Any
) -> Loss:
    """What int8 loses with some layers kept in float.

    The worse of two files: one with uint8 activations, as CPUs run it, and one with symmetric int8
    activations, as TensorRT wants it, which has half the steps where values are never negative.
    One plan serves both.
    """
    plain = judge.loss(graph.quantise(ranges, kept, **options))
    return plain.worse(judge.loss(graph.quantise(ranges, kept, symmetric=True, **options)))


def sensitivity(
    graph: FloatGraph, judge: Judge, ranges: Ranges, track: Callable[..., Any], **options: Any
) -> dict[str, float]:
    """Error that each convolution causes when it alone is int8, the worst first.

    Returns:
        Torch names to mean squared errors of the pictures, on the 0..1 scale.
    """
    layers = list(graph.convolutions)
    errors = {}
    for layer in track(layers, "sensitivity"):
        others = [name for name in layers if name != layer]
        file = graph.quantise(ranges, others, symmetric=True, **options)
        errors[layer] = judge.error(file, PAIRS)
    return dict(sorted(errors.items(), key=lambda item: (-item[1], item[0])))


def promote(
    graph: FloatGraph,
    judge: Judge,
    ranges: Ranges,
    errors: Mapping[str, float],
    limits: Loss,
    track: Callable[..., Any],
    **options: Any,
) -> tuple[list[str], list[Loss]]:
    """Keeps layers in float, the most sensitive first, until the loss is within limits.

    Then those that turn out not to be needed are let go again.

    Args:
        graph: The float graph.
        judge: Judges by the pairs that are for choosing.
        ranges: Ranges of all tensors.
        errors: What `sensitivity` found.
        limits: What may be lost.
        track: Goes round a list for the caller to show progress.
        **options: Of `FloatGraph.quantise`.

    Returns:
        The layers, in the network's order, and the loss with none, one, two, … of them.

    Raises:
        DataError: If even with half of the layers in float too much is lost.
    """
    order, kept, losses = list(errors), [], []
    for layer in track([None, *order[: len(order) // 2]], "promoting layers"):
        kept += [] if layer is None else [layer]
        losses.append(loss_of(graph, judge, ranges, kept, **options))
        if losses[-1].within(limits):
            break
    else:
        raise DataError(
            f"with {len(kept)} layers in float int8 still loses {losses[-1]}, not {limits}; "
            "these weights need quantisation-aware training"
        )
    for layer in reversed(kept[:-1]):
        fewer = [name for name in kept if name != layer]
        if loss_of(graph, judge, ranges, fewer, **options).within(limits):
            kept = fewer
    return [name for name in graph.convolutions if name in kept], losses
