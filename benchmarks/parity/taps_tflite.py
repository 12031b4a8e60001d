"""Outputs of the convolutions of a TFLite file, by LiteRT's built-in kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from unmask_sdk.core.arrays import AnyArray, Float32Array, UInt8Array

from .tap import Tap

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def record(path: Path, image: UInt8Array) -> list[Tap]:
    """Returns the output of each convolution as float32 `[1, C, H, W]`.

    Args:
        path: A TFLite file.
        image: uint8 `[1, S, S, 3]`.
    """
    # Delegates do not expose the tensors between their operators.
    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    taps = []
    for operator in interpreter._get_ops_details():
        if operator["op_name"] in CONVOLUTIONS:
            index = int(operator["outputs"][0])
            value = _dequantized(interpreter.get_tensor(index), details[index])
            taps.append(Tap(details[index]["name"], _channels_first(value)))
    return taps


def _dequantized(value: AnyArray, detail: dict[str, Any]) -> Float32Array:
    # LiteRT gives a pair of numbers; (0, 0) for tensors that are not quantized.
    scale, zero = detail["quantization"]
    real = value.astype(np.float32)
    return (real - zero) * scale if scale else real


def _channels_first(value: Float32Array) -> Float32Array:
    pixels = value.reshape(1, 1, 1, -1) if value.ndim == 2 else value
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
