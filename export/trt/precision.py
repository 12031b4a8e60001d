"""Reads from TensorRT's build log in which type each convolution is computed.

The engine itself could tell too, but it opens only on the GPU that it was built for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import onnx

from unmask_sdk.export.onnx.precision import conv_work

Log = Iterable[tuple[str, str]]

# A layer's line begins with its name and ends with the ONNX nodes that it was made from; the type
# of its first input is between them. Convolutions are called correlations, and 1x1 ones may become
# matrix products (gemm).
_LAYER = re.compile(
    r"Name: (\S+), LayerType: (?:correlation|gemm), Inputs: \[ \{.*?Datatype: (\w+)"
)
_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")


def share_by_type(model: onnx.ModelProto, log: Log) -> dict[str, float]:
    """Returns each type's share, 0..1, of the multiplications in convolutions.

    Args:
        model: The graph that was built.
        log: The detailed log of the build: severities and texts.

    Returns:
        Shares that sum to 1, by TensorRT's names of types (`Int8`, `Half`, `Float`), and `unknown`
        for convolutions that are not in the log.
    """
    types = _types(log)
    cost = conv_work(model)
    total = sum(cost.values())
    found: dict[str, float] = defaultdict(float)
    for node in model.graph.node:
        if node.op_type == "Conv":
            found[types.get(node.name, "unknown")] += cost[node.output[0]] / total
    return dict(found)


def unexpected_messages(log: Log, known: Iterable[str]) -> list[str]:
    """Returns the warnings and errors of a log that contain none of the known texts."""
    texts = {
        " ".join(text.split()) for severity, text in log if severity not in ("INFO", "VERBOSE")
    }
    return sorted(text for text in texts if not any(part in text for part in known))


def _types(log: Log) -> dict[str, str]:
    """Returns the type of the convolution that each ONNX node is part of, by the node's name."""
    types: dict[str, str] = {}
    for _, text in log:
        for line in text.splitlines():
            layer = _LAYER.search(line) if "LayerType: " in line else None
            if layer is None:
                continue
            # A layer is named after its convolution, unless it was merged from several.
            nodes = _NODE.findall(line)
            named = [node for node in nodes if layer[1].startswith(f"{node}_myl")]
            for node in named or nodes:
                types.setdefault(node, layer[2])
    return types
