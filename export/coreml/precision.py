"""Precision of a MIL program: how it is set, and how it is counted in a finished file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from unmask_sdk.calibration.ranges import Ranges
from unmask_sdk.core.arrays import FloatArray
from unmask_sdk.errors import ExportError
from unmask_sdk.training.nets.locator_networks import AlignerGraph, DetectorGraph
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet

from .mil_interpreter import ct

from coremltools.converters.mil.mil import Builder as mb  # isort: skip
from coremltools.converters.mil.mil.scope import ScopeInfo, ScopeSource  # isort: skip

# Name of the graph in the module that is traced, `exporter.Planes`.
WRAPPED = "inner"
_SOURCES = (ScopeSource.TORCHSCRIPT_MODULE_TYPE, ScopeSource.TORCHSCRIPT_MODULE_NAME)
# Operations of these modules themselves are normalization, the hole mask and compositing: they stay
# in float32. Operations of the networks in them may be rounded.
_FLOAT32 = tuple(
    kind.__name__ for kind in (UnmaskerGraph, UnmaskerNet, DetectorGraph, AlignerGraph)
)
# The smallest normal float16.
_SMALLEST = float(np.finfo(np.float16).tiny)


def is_inside(operation: Any) -> bool:
    """Returns whether an operation belongs to a network, and not to the steps around it."""
    kinds = operation.scopes[ScopeSource.TORCHSCRIPT_MODULE_TYPE]
    return len(kinds) > 1 and kinds[-2] not in _FLOAT32


def quantize_program(
    program: Any, keep_float: Collection[str], ranges: Ranges | None = None
) -> None:
    """Quantizes a program's convolutions: their weights and, if ranges are given, their inputs.

    Weights are int8 and have a scale for each output channel. Activations that are never negative
    become uint8, others int8, both without a zero point, as Apple's own tools do.

    Args:
        program: MIL program that `coremltools.convert` made from a torch module; changed in place.
        keep_float: Torch names of the convolutions that stay as they are.
        ranges: Smallest and largest value of each convolution's input, by its torch name.

    Raises:
        ExportError: If a name in `keep_float` is not in the program.
    """
    block = program.functions["main"]
    convolutions = {_torch_name(o): o for o in block.operations if o.op_type == "conv"}
    unknown = set(keep_float) - set(convolutions)
    if unknown:
        raise ExportError(
            f"the plan keeps layers in float that the network does not have: {sorted(unknown)}"
        )
    quantized: dict[str, Any] = {}
    with block:
        for name, conv in convolutions.items():
            if name in keep_float:
                continue
            arguments = {key: value for key, value in conv.inputs.items() if value is not None}
            with mb.scope(*_scopes(conv)):
                arguments["weight"] = _int8_weights(conv)
                if ranges is not None:
                    if conv.x.name not in quantized:
                        quantized[conv.x.name] = _quantized_input(conv, *ranges[name])
                    arguments["x"] = quantized[conv.x.name]
                new = mb.conv(**arguments, before_op=conv, name=conv.name)
            block.replace_uses_of_var_after_op(anchor_op=conv, old_var=conv.outputs[0], new_var=new)
            block.remove_ops([conv])


def weights_by_precision(function: Any) -> dict[str, int]:
    """Returns the number of weights in a program's convolutions, by precision.

    `w8` is int8 weights with float inputs, `w8a8` int8 weights and inputs.

    Args:
        function: The main function, from `mil_interpreter.read`.
    """
    found: Counter[str] = Counter()
    for operation in function.operations:
        if operation.op_type == "conv":
            weight, source = operation.weight, operation.x.op
            kind = _type_name(weight)
            if weight.op.op_type == "constexpr_affine_dequantize":
                quantized = source is not None and source.op_type == "dequantize"
                kind = "w8a8" if quantized else "w8"
            found[kind] += int(np.prod(weight.shape))
    return dict(found)


def _type_name(variable: Any) -> str:
    name: str = ct.converters.mil.mil.types.builtin_to_string(variable.dtype)
    return name


def _torch_name(conv: Any) -> str:
    """Returns a convolution's torch name, from its weights' name `inner.NAME.weight_to_fp16`."""
    name: str = conv.weight.op.name
    return name.removesuffix("_to_fp16").removesuffix(".weight").removeprefix(f"{WRAPPED}.")


def _scopes(operation: Any) -> list[ScopeInfo]:
    return [ScopeInfo(source, operation.scopes[source]) for source in _SOURCES]


def _int8_weights(conv: Any) -> Any:
    weights: FloatArray = conv.weight.val
    largest = np.abs(weights.astype(np.float32)).max((1, 2, 3))
    scale = np.maximum(largest / 127, _SMALLEST).astype(weights.dtype)
    levels = np.round(weights.astype(np.float32) / scale[:, None, None, None].astype(np.float32))
    return mb.constexpr_affine_dequantize(
        quantized_data=levels.clip(-127, 127).astype(np.int8),
        zero_point=np.int8(0),
        scale=scale,
        axis=0,
        before_op=conv,
        name=f"{conv.name}_weight",
    )


def _quantized_input(conv: Any, low: float, high: float) -> Any:
    """Inserts quantization of a convolution's input to int8, and back; returns the result."""
    kind, largest, levels = ("uint8", high, 255) if low >= 0 else ("int8", max(-low, high), 127)
    scale = conv.weight.val.dtype.type(max(largest / levels, _SMALLEST))
    whole = mb.quantize(
        input=conv.x,
        scale=scale,
        output_dtype=kind,
        before_op=conv,
        name=f"{conv.x.name}_{kind}",
    )
    return mb.dequantize(input=whole, scale=scale, before_op=conv, name=f"{conv.x.name}_rounded")
