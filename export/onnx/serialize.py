"""From a graph to the bytes of a file."""

from __future__ import annotations

import onnx


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Returns the bytes of a file, the same for the same graph."""
    return bytes(model.SerializeToString(deterministic=True))
