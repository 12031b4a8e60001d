"""Precision of an ML program: how it is set, and how it is found in the finished file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import FloatArray
from unmask_sdk.errors import ExportError
from unmask_sdk.export.onnx.precision import MIN_INT8_SHARE

from .mil_interpreter import ct

from coremltools.converters.mil.mil import Builder as mb  # isort: skip
from coremltools.converters.mil.mil.scope import ScopeInfo, ScopeSource  # isort: skip

Ranges = Mapping[str, tuple[float, float]]

# Name that the traced graph has in the module round it.
WRAPPED = "inner"
_SOURCES = (ScopeSource.TORCHSCRIPT_MODULE_TYPE, ScopeSource.TORCHSCRIPT_MODULE_NAME)
# What these modules do themselves is normalisation, the opening round the mask, and the composite:
# that stays in float32. What the networks in them do may be rounded.
_FLOAT32 = ("UnmaskerGraph", "Unmasker", "DetectorGraph", "AlignerGraph")
# The smallest float16 that has all its digits.
_SMALLEST = float(np.finfo(np.float16).tiny)


def is_inside(operation: Any) -> bool:
    """Whether an operation belongs to a network, and not to what lies round it."""
    kinds = operation.scopes[ScopeSource.TORCHSCRIPT_MODULE_TYPE]
    return len(kinds) > 1 and kinds[-2] not in _FLOAT32


def quantise(program: Any, keep_float: Collection[str], ranges: Ranges | None = None) -> None:
    """Gives a program's convolutions int8 weights, and int8 inputs where there are ranges.

    Weights have a scale for each output channel. Activations that are never negative become uint8,
    others int8, both without a zero point: what Apple's own tools write.

    Args:
        program: MIL program as `coremltools.convert` makes it from a torch module; changed.
        keep_float: Torch names of the convolutions that stay as they are.
        ranges: Smallest and largest value of each convolution's input, by its torch name.

    Raises:
        ExportError: If a name in `keep_float` is none of the program's.
    """
    block = program.functions["main"]
    convolutions = {_torch_name(o): o for o in block.operations if o.op_type == "conv"}
    unknown = set(keep_float) - set(convolutions)
    if unknown:
        raise ExportError(f"the plan keeps layers in float that are not there: {sorted(unknown)}")
    rounded: dict[str, Any] = {}
    with block:
        for name, conv in convolutions.items():
            if name in keep_float:
                continue
            arguments = {key: value for key, value in conv.inputs.items() if value is not None}
            with mb.scope(*_scopes(conv)):
                arguments["weight"] = _int8_weights(conv)
                if ranges is not None:
                    if conv.x.name not in rounded:
                        rounded[conv.x.name] = _rounded(conv, *ranges[name])
                    arguments["x"] = rounded[conv.x.name]
                new = mb.conv(**arguments, before_op=conv, name=conv.name)
            block.replace_uses_of_var_after_op(anchor_op=conv, old_var=conv.outputs[0], new_var=new)
            block.remove_ops([conv])


def achieved(function: Any) -> str:
    """The precision of a finished program, counted from the weights of its convolutions.

    Args:
        function: The main function, as `mil.read` gives it.

    Raises:
        ExportError: If they have several, or one that has no name here.
    """
    found: Counter[str] = Counter()
    for operation in function.operations:
        if operation.op_type == "conv":
            weight, source = operation.weight, operation.x.op
            kind = _type_name(weight)
            if weight.op.op_type == "constexpr_affine_dequantize":
                rounded = source is not None and source.op_type == "dequantize"
                kind = "w8a8" if rounded else "w8"
            found[kind] += int(np.prod(weight.shape))
    if set(found) in ({"fp32"}, {"fp16"}):
        return next(iter(found))
    total = sum(found.values())
    for kind in ("w8", "w8a8"):
        if found[kind] >= MIN_INT8_SHARE * total > 0 and set(found) <= {kind, "fp16"}:
            return kind
    raise ExportError(f"the exported weights are of mixed or unknown precision: {dict(found)}")


def _type_name(variable: Any) -> str:
    name: str = ct.converters.mil.mil.types.builtin_to_string(variable.dtype)
    return name


def _torch_name(conv: Any) -> str:
    """A convolution's name in torch, by that of its weights: `inner.NAME.weight_to_fp16`."""
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


def _rounded(conv: Any, low: float, high: float) -> Any:
    """A convolution's input, to int8 and back."""
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
