"""TFLite files finished in a precision: fp32 as they are, fp16, or int8.

In int8 activations have a zero point and weights a scale for each output channel. What the plan
keeps, the attention gates, and the first and last steps compute in float, as in the ONNX files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from contextlib import redirect_stderr

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from unmask_sdk.calibration.plan import Plan
from unmask_sdk.calibration.ranges import Ranges, gather, ranges
from unmask_sdk.core.arrays import FloatArray, UInt8Array
from unmask_sdk.errors import ExportError

from .flatbuffer import CONVOLUTIONS, Operator, Tensor, operators

# What may join int8 convolutions without leaving int8.
_BETWEEN = ("ADD", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR")


def unchanged(content: bytes) -> bytes:
    """Gives a file of fp32, its constants aligned as engines like them."""
    quantizer = Quantizer(content)
    quantizer.update_quantization_recipe(
        ".*", TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE
    )
    return _finished(quantizer)


def halved(content: bytes) -> bytes:
    """Gives the file with the weights of its convolutions in fp16."""
    quantizer = Quantizer(content)
    _halve(quantizer)
    return _finished(quantizer)


def quantised(content: bytes, images: UInt8Array, plan: Plan) -> bytes:
    """Gives the int8 file of a float one, by a plan.

    Args:
        content: TFLite file of fp32.
        images: uint8 `[N, S, S, 3]` calibration crops in the graph's size.
        plan: What stays in float, and how ranges are taken.

    Raises:
        ExportError: If the plan names layers that the network does not have.
    """
    chosen = int8_operators(content, plan.keep_float)
    quantizer = Quantizer(content)
    # What stays in float is stored in fp16, as its weights were before. The last of the rules that
    # fit an operator counts.
    _halve(quantizer)
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
    return _finished(quantizer, found)


def int8_operators(content: bytes, keep_float: Collection[str]) -> list[Operator]:
    """The operators that become int8: convolutions, and what lies between them and no others.

    Raises:
        ExportError: If a name in `keep_float` is none of the file's.
    """
    found = operators(content)
    convolutions = [op for op in found if op.kind in CONVOLUTIONS]
    unknown = set(keep_float) - {op.name for op in convolutions}
    if unknown:
        raise ExportError(
            f"the plan keeps layers in float that the network does not have: {sorted(unknown)}"
        )
    inside = [op for op in convolutions if op.name not in keep_float]
    # Engines merge padding into its convolution, but only where both are of one type.
    padded = {op.inputs[0] for op in inside}
    chosen: list[Operator] = []
    whole: set[Tensor] = set()
    for op in found:
        inputs = {tensor for tensor in op.inputs if not tensor.constant}
        if (
            op in inside
            or (op.kind == "PAD" and op.outputs[0] in padded)
            or (op.kind in _BETWEEN and inputs <= whole)
        ):
            chosen.append(op)
            whole.update(op.outputs)
    return chosen


def observed_ranges(
    content: bytes, chosen: Collection[Operator], images: UInt8Array, method: str
) -> Ranges:
    """The ranges of what operators take and give on calibration crops, by a plan's method."""
    names = dict.fromkeys(
        tensor.name
        for op in chosen
        for tensor in (*op.inputs, *op.outputs)
        if tensor.kind == "FLOAT32" and not tensor.constant
    )
    # Delegates would not keep what lies between.
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (picture,) = interpreter.get_input_details()
    index = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}

    def run(row: int) -> list[FloatArray]:
        interpreter.set_tensor(picture["index"], images[row : row + 1])
        interpreter.invoke()
        return [interpreter.get_tensor(index[name]) for name in names]

    observed = gather(run, list(names), len(images), counted=method != "minmax")
    return ranges(observed, method)


def _halve(quantizer: Quantizer) -> None:
    for kind in CONVOLUTIONS:
        quantizer.add_weight_only_config(
            ".*", TFLOperationName(kind), num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )


def _finished(quantizer: Quantizer, found: Ranges | None = None) -> bytes:
    statistics = {
        name: {
            "min": np.full((1, 1, 1, 1), low, np.float32),
            "max": np.full((1, 1, 1, 1), high, np.float32),
        }
        for name, (low, high) in (found or {}).items()
    }
    # It draws a progress bar, asked or not.
    with redirect_stderr(io.StringIO()):
        made = quantizer.quantize(
            statistics or None, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(made.quantized_model)
