"""Finds which convolutions int8 harms most, and the fewest that must stay in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unmask_sdk.calibration.progress import ProgressFn
from unmask_sdk.calibration.ranges import Ranges
from unmask_sdk.errors import DataError

from .quantizable_graph import QuantizableGraph
from .scoring import Int8Evaluator, QualityDrop

# Few pairs suffice: errors of single layers are measured against float, with little noise.
PAIRS = 8


def quality_drop(
    graph: QuantizableGraph,
    evaluator: Int8Evaluator,
    ranges: Ranges,
    kept: Sequence[str],
    *,
    per_channel: bool = True,
) -> QualityDrop:
    """Measures what int8 loses with some layers kept in float.

    The worse of two files: one with uint8 activations, which CPUs run, and one with symmetric int8
    activations, which TensorRT needs and which have half the steps if values are never negative.
    The same layers are kept in both; a plan may keep more of them where activations are symmetric.

    Args:
        graph: The float graph.
        evaluator: Measures int8 files.
        ranges: Ranges of all tensors.
        kept: Torch names of the layers that stay in float.
        per_channel: Whether weights have a scale for each output channel.
    """
    drops = [
        evaluator.quality_drop(
            graph.quantize(ranges, kept, per_channel=per_channel, symmetric=symmetric)
        )
        for symmetric in (False, True)
    ]
    return drops[0].worse(drops[1])


def sensitivity(
    graph: QuantizableGraph,
    evaluator: Int8Evaluator,
    ranges: Ranges,
    progress: ProgressFn,
    *,
    per_channel: bool = True,
) -> dict[str, float]:
    """Measures the error that each convolution causes if only it is int8.

    Args:
        graph: The float graph.
        evaluator: Measures int8 files.
        ranges: Ranges of all tensors.
        progress: Shows the caller's progress.
        per_channel: Whether weights have a scale for each output channel.

    Returns:
        Mean squared errors of the images, on the 0..1 scale, by torch names; the largest first.
    """
    layers = list(graph.convolutions)
    errors = {}
    for layer in progress(layers, "sensitivity"):
        others = [name for name in layers if name != layer]
        file = graph.quantize(ranges, others, symmetric=True, per_channel=per_channel)
        errors[layer] = evaluator.error(file, PAIRS)
    return dict(sorted(errors.items(), key=lambda item: (-item[1], item[0])))


def promote(
    graph: QuantizableGraph,
    evaluator: Int8Evaluator,
    ranges: Ranges,
    errors: Mapping[str, float],
    limits: QualityDrop,
    progress: ProgressFn,
    *,
    per_channel: bool = True,
) -> tuple[list[str], list[QualityDrop]]:
    """Keeps layers in float, the most sensitive first, until the quality drop is within limits.

    Then layers that turn out not to be needed become int8 again.

    Args:
        graph: The float graph.
        evaluator: Measures int8 files on the pairs for choosing.
        ranges: Ranges of all tensors.
        errors: Result of `sensitivity`.
        limits: Largest drop allowed.
        progress: Shows the caller's progress.
        per_channel: Whether weights have a scale for each output channel.

    Returns:
        The layers, in the network's order, and the drops with 0, 1, 2, … of them in float.

    Raises:
        DataError: If the drop is too large even with half of the layers in float.
    """
    order = list(errors)
    kept: list[str] = []
    drops: list[QualityDrop] = []

    def drop_with(layers: Sequence[str]) -> QualityDrop:
        return quality_drop(graph, evaluator, ranges, layers, per_channel=per_channel)

    for count in progress(range(len(order) // 2 + 1), "promoting layers"):
        kept = order[:count]
        drops.append(drop_with(kept))
        if drops[-1].within(limits):
            break
    else:
        raise DataError(
            f"with {len(kept)} layers in float, int8 still loses {drops[-1]}, not {limits}; "
            "these weights need quantization-aware training"
        )
    for layer in reversed(kept[:-1]):
        fewer = [name for name in kept if name != layer]
        if drop_with(fewer).within(limits):
            kept = fewer
    return [name for name in graph.convolutions if name in kept], drops
