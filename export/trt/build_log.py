"""What TensorRT makes of a graph: the type that each convolution is calculated in, read off the
log of a build, since an engine opens only on the GPU that it is for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import onnx

from unmask_sdk.export.onnx.precision import work

Log = Iterable[tuple[str, str]]

# A layer's line begins with its name, ends with the nodes that it was made of, and gives the type
# of its first input between the two.
# Convolutions are called correlations, and those of 1x1 may become matrix products.
_LAYER = re.compile(
    r"Name: (\S+), LayerType: (?:correlation|gemm), Inputs: \[ \{.*?Datatype: (\w+)"
)
_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")


def shares(model: onnx.ModelProto, log: Log) -> dict[str, float]:
    """Gives each type's share of the multiplications in convolutions.

    Args:
        model: The graph that was built.
        log: The log of the build, detailed.

    Returns:
        TensorRT's names of types (`Int8`, `Half`, `Float`), and `unknown` for convolutions that
        the log does not tell of, to shares that sum to 1.
    """
    kinds = _kinds(log)
    cost = work(model)
    total = sum(cost.values())
    found: dict[str, float] = defaultdict(float)
    for node in model.graph.node:
        if node.op_type == "Conv":
            found[kinds.get(node.name, "unknown")] += cost[node.output[0]] / total
    return dict(found)


def unexplained(log: Log, known: Iterable[str]) -> list[str]:
    """Gives the warnings and errors of a log that contain none of the known texts."""
    texts = {
        " ".join(text.split()) for severity, text in log if severity not in ("INFO", "VERBOSE")
    }
    return sorted(text for text in texts if not any(part in text for part in known))


def _kinds(log: Log) -> dict[str, str]:
    """Type of the convolution that each node is part of."""
    kinds: dict[str, str] = {}
    for _, text in log:
        for line in text.splitlines():
            layer = _LAYER.search(line) if "LayerType: " in line else None
            if layer is None:
                continue
            # The layer is named after its own convolution; that of one merged from several is not.
            nodes = _NODE.findall(line)
            named = [node for node in nodes if layer[1].startswith(f"{node}_myl")]
            for node in named or nodes:
                kinds.setdefault(node, layer[2])
    return kinds
