"""Finishes TFLite files in a precision: fp32, fp16 or int8.

In int8, activations have a zero point and weights a scale for each output channel. Layers that the
plan keeps, the attention gates, and the first and last steps compute in float, as in ONNX files.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from unmask_sdk.calibration.plan import Int8Plan
from unmask_sdk.calibration.ranges import Ranges, find_ranges, gather
from unmask_sdk.core.arrays import FloatArray, UInt8Array
from unmask_sdk.errors import ExportError
from unmask_sdk.export.quiet_converters import quiet_converters

from .precision import CONVOLUTIONS, Operator, Tensor, operators

# Operators between int8 convolutions that stay in int8 too.
_BETWEEN = ("ADD", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR")


def to_fp32(content: bytes) -> bytes:
    """Returns an fp32 file with its constants aligned in memory, as engines prefer."""
    quantizer = Quantizer(content)
    quantizer.update_quantization_recipe(
        ".*", TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE
    )
    return _apply(quantizer)


def to_fp16(content: bytes) -> bytes:
    """Returns an fp32 file with the weights of its convolutions in fp16."""
    quantizer = Quantizer(content)
    _store_weights_in_fp16(quantizer)
    return _apply(quantizer)


def quantize_by_plan(content: bytes, images: UInt8Array, plan: Int8Plan) -> bytes:
    """Returns the int8 file of an fp32 file, by a plan.

    Args:
        content: TFLite file in fp32.
        images: uint8 `[N, S, S, 3]` calibration crops in the graph's size.
        plan: Which layers stay in float, and how ranges are derived.

    Raises:
        ExportError: If the plan names layers that the network does not have.
    """
    chosen = int8_operators(content, plan.keep_float)
    quantizer = Quantizer(content)
    # Layers that stay in float are stored in fp16. The last rule that matches an operator applies.
    _store_weights_in_fp16(quantizer)
    quantizer.add_static_config(
        "|".join(f"^{re.escape(op.name)};$" for op in chosen),
        TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
        weight_granularity=(
            QuantGranularity.CHANNELWISE if plan.per_channel else QuantGranularity.TENSORWISE
        ),
    )
    found = observed_ranges(content, chosen, images, plan.method)
    return _apply(quantizer, found)


def int8_operators(content: bytes, keep_float: Collection[str]) -> list[Operator]:
    """Returns the operators that become int8: convolutions, and operators between only these.

    Raises:
        ExportError: If a name in `keep_float` is not in the file.
    """
    found = operators(content)
    convolutions = [op for op in found if op.kind in CONVOLUTIONS]
    unknown = set(keep_float) - {op.name for op in convolutions}
    if unknown:
        raise ExportError(
            f"the plan keeps layers in float that the network does not have: {sorted(unknown)}"
        )
    inside = [op for op in convolutions if op.name not in keep_float]
    # Engines merge padding into its convolution, but only if both have the same type.
    padded = {op.inputs[0] for op in inside}
    chosen: list[Operator] = []
    int8: set[Tensor] = set()
    for op in found:
        inputs = {tensor for tensor in op.inputs if not tensor.constant}
        if (
            op in inside
            or (op.kind == "PAD" and op.outputs[0] in padded)
            or (op.kind in _BETWEEN and inputs <= int8)
        ):
            chosen.append(op)
            int8.update(op.outputs)
    return chosen


def observed_ranges(
    content: bytes, chosen: Collection[Operator], images: UInt8Array, method: str
) -> Ranges:
    """Returns the ranges of operators' inputs and outputs on calibration crops, by a method."""
    names = dict.fromkeys(
        tensor.name
        for op in chosen
        for tensor in (*op.inputs, *op.outputs)
        if tensor.kind == "FLOAT32" and not tensor.constant
    )
    # Delegates would not keep intermediate tensors.
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    index = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}

    def run(row: int) -> list[FloatArray]:
        interpreter.set_tensor(image["index"], images[row : row + 1])
        interpreter.invoke()
        return [interpreter.get_tensor(index[name]) for name in names]

    observed = gather(run, list(names), len(images), counted=method != "minmax")
    return find_ranges(observed, method)


def _store_weights_in_fp16(quantizer: Quantizer) -> None:
    for kind in CONVOLUTIONS:
        quantizer.add_weight_only_config(
            ".*", TFLOperationName(kind), num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )


def _apply(quantizer: Quantizer, found: Ranges | None = None) -> bytes:
    statistics = {
        name: {
            "min": np.full((1, 1, 1, 1), low, np.float32),
            "max": np.full((1, 1, 1, 1), high, np.float32),
        }
        for name, (low, high) in (found or {}).items()
    }
    # It draws a progress bar even if that is disabled.
    with quiet_converters():
        result = quantizer.quantize(
            statistics or None, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(result.quantized_model)
