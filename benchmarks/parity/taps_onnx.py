"""Outputs of the convolutions of an ONNX file, by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.runtimes.onnx_session import open_session

from .tap import Tap


def extended(path: Path) -> tuple[bytes, dict[str, int | None]]:
    """Returns a copy of the file whose outputs are those of its convolutions.

    Returns:
        The bytes of the copy, and the names of the outputs in order, each with the number of
        channels that count; `None` for all.
    """
    model = onnx.load(path)
    kept = _kept_channels(model)
    names = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    del model.graph.output[:]
    # Without a type: the engine infers it.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return model.SerializeToString(), {name: kept.get(name) for name in names}


def _kept_channels(model: onnx.ModelProto) -> dict[str, int]:
    """Returns how many channels are kept of padded convolutions (`export/onnx/pad_channels.py`)."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    source: dict[str, str] = {}
    kept = {}
    for node in model.graph.node:
        first = node.input[0] if node.input else ""
        if node.op_type == "Conv":
            source[node.output[0]] = node.output[0]
        elif node.op_type in ("Relu", "QuantizeLinear", "DequantizeLinear") and first in source:
            source[node.output[0]] = source[first]
        elif node.op_type == "Slice" and first in source:
            kept[source[first]] = int(onnx.numpy_helper.to_array(constants[node.input[2]]).item())
    return kept


def record(path: Path, image: UInt8Array) -> list[Tap]:
    """Returns the output of each convolution.

    Args:
        path: An ONNX file.
        image: uint8 `[1, S, S, 3]`.
    """
    content, widths = extended(path)
    session = open_session(content)
    outputs = session.run(list(widths), {session.get_inputs()[0].name: image})
    return [
        Tap(name, output[:, :width].astype(np.float32))
        for (name, width), output in zip(widths.items(), outputs, strict=True)
    ]
