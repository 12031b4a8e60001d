"""The operations of Core ML's ML programs (MIL) that our networks use, in torch.

Each takes an operation's inputs by their names in MIL, tensors as float32 or as integers, and
returns its single output; `mil_interpreter` rounds it to the output's type. The definitions are
those of coremltools' MIL operation set for iOS 17.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.errors import ExportError


def _padded(
    x: Tensor, pad: Sequence[int] | None, pad_type: str, value: float, operation: str
) -> Tensor:
    """Pads height and width; Core ML's order is top, bottom, left, right."""
    if pad_type == "valid" or pad is None:
        return x
    if pad_type != "custom":
        raise ExportError(f"the MIL interpreter does not know {operation} with {pad_type=}")
    top, bottom, left, right = (int(p) for p in pad)
    return F.pad(x, (left, right, top, bottom), value=value)


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Sequence[int] = (1, 1),
    pad_type: str = "valid",
    pad: Sequence[int] | None = None,
    dilations: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Computes a 2D convolution."""
    padded = _padded(x, pad, pad_type, 0.0, "conv")
    return F.conv2d(padded, weight, bias, tuple(strides), 0, tuple(dilations), groups)


def max_pool(
    x: Tensor,
    kernel_sizes: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pad_type: str = "valid",
    pad: Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Computes 2D max pooling."""
    padded = _padded(x, pad, pad_type, -torch.inf, "max_pool")
    return F.max_pool2d(padded, tuple(kernel_sizes), tuple(strides), ceil_mode=ceil_mode)


def avg_pool(
    x: Tensor,
    kernel_sizes: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pad_type: str = "valid",
    pad: Sequence[int] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Computes 2D average pooling; padding counts as zeros."""
    if exclude_padding_from_average and pad is not None and any(pad):
        raise ExportError("the MIL interpreter does not know avg_pool that excludes padding")
    padded = _padded(x, pad, pad_type, 0.0, "avg_pool")
    return F.avg_pool2d(padded, tuple(kernel_sizes), tuple(strides), ceil_mode=ceil_mode)


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """Repeats rows and columns."""
    if scale_factor_height % 1 or scale_factor_width % 1:
        raise ExportError("the MIL interpreter upsamples by integer factors only")
    rows = x.repeat_interleave(int(scale_factor_height), -2)
    return rows.repeat_interleave(int(scale_factor_width), -1)


def slice_by_index(
    x: Tensor,
    begin: Sequence[int],
    end: Sequence[int],
    begin_mask: Sequence[bool] | None = None,
    end_mask: Sequence[bool] | None = None,
    squeeze_mask: Sequence[bool] | None = None,
) -> Tensor:
    """Takes `begin:end` of each axis, or the element at `begin` of squeezed axes."""
    index: list[slice | int] = []
    for axis in range(x.ndim):
        if squeeze_mask is not None and squeeze_mask[axis]:
            index.append(int(begin[axis]))
            continue
        open_begin = begin_mask is not None and begin_mask[axis]
        open_end = end_mask is not None and end_mask[axis]
        start = None if open_begin else int(begin[axis])
        index.append(slice(start, None if open_end else int(end[axis])))
    return x[tuple(index)]


def _along(values: Tensor, rank: int, axis: int | None) -> Tensor:
    """Reshapes quantization parameters, one for all or one for each index of an axis."""
    if values.ndim == 0 or axis is None:
        return values
    return values.reshape([-1 if k == axis % rank else 1 for k in range(rank)])


def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """Quantizes floats to `int8` or `uint8` values, which stay float32."""
    limits = torch.iinfo(getattr(torch, output_dtype))
    scaled = torch.round(input / _along(scale, input.ndim, axis))
    if zero_point is not None:
        scaled = scaled + _along(zero_point, input.ndim, axis)
    return scaled.clamp(limits.min, limits.max)


def dequantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """Returns the float32 values that quantized data stands for."""
    values = input.float()
    if zero_point is not None:
        values = values - _along(zero_point, input.ndim, axis).float()
    return values * _along(scale, input.ndim, axis)


def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    """Dequantizes constant data, such as weights."""
    return dequantize(quantized_data, scale, zero_point, axis)


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, y: x + y,
    "avg_pool": avg_pool,
    # The interpreter converts to the type of the output.
    "cast": lambda x, dtype: x,
    "clip": lambda x, alpha, beta: x.clamp(float(alpha), float(beta)),
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "conv": conv,
    "dequantize": dequantize,
    "floor": lambda x: x.floor(),
    "max_pool": max_pool,
    "mul": lambda x, y: x * y,
    "pixel_shuffle": lambda x, upscale_factor: F.pixel_shuffle(x, int(upscale_factor)),
    "quantize": quantize,
    "reduce_max": lambda x, axes, keep_dims=False: x.amax(tuple(axes), keep_dims),
    "reduce_mean": lambda x, axes, keep_dims=False: x.mean(tuple(axes), keep_dims),
    "relu": lambda x: x.relu(),
    "reshape": lambda x, shape: x.reshape(tuple(shape)),
    "sigmoid": lambda x: x.sigmoid(),
    "slice_by_index": slice_by_index,
    "squeeze": lambda x, axes: x.squeeze(tuple(axes)),
    "sub": lambda x, y: x - y,
    "transpose": lambda x, perm: x.permute(tuple(perm)).contiguous(),
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
