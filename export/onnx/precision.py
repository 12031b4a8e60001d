"""Precision of an exported graph: how it is set, and how it is found in the finished file."""

from __future__ import annotations

import copy
import math
from collections import Counter

import onnx
from torch import Tensor, nn

from unmask_sdk.errors import ExportError

# Operators whose weights are what the precision is about.
WEIGHTED = ("Conv", "Gemm", "MatMul")
_NAMES = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16"}
_INT8 = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)

# Of the multiplications in an int8 file's convolutions.
MIN_INT8_SHARE = 0.8
OPEN_SIDE = 256


class Halved(nn.Module):
    """A network in fp16 between float32 inputs and outputs.

    The casts stay outside: what is composited on the 0..255 scale needs float32 to be exact.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.network(*(x.half() for x in inputs))
        if isinstance(outputs, Tensor):
            return outputs.float()
        return tuple(output.float() for output in outputs)


def at_precision(graph: nn.Module, precision: str) -> nn.Module:
    """A copy of an exportable graph whose inner network works in a precision.

    Args:
        graph: A uint8 graph in float32, whose only child is its network.
        precision: `fp32` or `fp16`.
    """
    lowered = copy.deepcopy(graph)
    if precision == "fp16":
        _halve_children(lowered)
    return lowered.eval()


def parts_at_precision(graph: nn.Module, precision: str) -> nn.Module:
    """Like `at_precision`, but what lies between the network's own parts stays in float32.

    Those are the sigmoid, and what is opened and decided by it.
    """
    lowered = copy.deepcopy(graph)
    if precision == "fp16":
        for network in lowered.children():
            _halve_children(network)
    return lowered.eval()


def _halve_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        setattr(module, name, Halved(child))


def torch_name(name: str) -> str:
    """The name that a module had before it was wrapped to work in fp16."""
    return name.replace(".network.", ".")


def achieved(model: onnx.ModelProto) -> str:
    """The precision that a finished file computes in, counted from the file.

    A convolution is int8 if both its picture and its weights come out of int8: an engine then
    computes it in integers. Of an int8 file, `MIN_INT8_SHARE` of the work must be such.

    Raises:
        ExportError: If there are several precisions, or one that has no name here.
    """
    found = Counter(_kinds(model).values())
    names = sorted(found)
    if "int8" in found and set(found) <= {"int8", *_NAMES.values()}:
        share = int8_share(model)
        if share < MIN_INT8_SHARE:
            raise ExportError(
                f"only {share:.0%} of the work is in int8, at least {MIN_INT8_SHARE:.0%} must be; "
                "use a plan that keeps fewer layers in float"
            )
        return "int8"
    if len(found) != 1 or names[0] not in _NAMES.values():
        raise ExportError(f"the exported weights are of mixed or unknown precision: {dict(found)}")
    return names[0]


def int8_share(model: onnx.ModelProto) -> float:
    """The share of the multiplications in convolutions that are of int8."""
    kinds, cost = _kinds(model), work(model)
    total = sum(cost.values())
    return sum(cost[name] for name in cost if kinds[name] == "int8") / total if total else 0.0


def _kinds(model: onnx.ModelProto) -> dict[str, str]:
    """What each node with weights computes in, by the first name among its outputs."""
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    restored = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
    }
    kinds = {}
    for node in model.graph.node:
        picture, weights = (*node.input, "", "")[:2]
        weights_kind = stored.get(restored.get(weights, weights))
        if node.op_type not in WEIGHTED or weights_kind is None:
            continue
        if weights_kind in _INT8 and picture in restored:
            kinds[node.output[0]] = "int8"
        else:
            name = onnx.TensorProto.DataType.Name(weights_kind)
            kinds[node.output[0]] = _NAMES.get(weights_kind, name)
    return kinds


def work(model: onnx.ModelProto) -> dict[str, int]:
    """Multiplications of each convolution for one picture, by its output.

    Where any height and width go they are those of a picture of `OPEN_SIDE` px.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for axis, dim in enumerate(single.graph.input[0].type.tensor_type.shape.dim):
        if not dim.dim_value:
            dim.dim_value = OPEN_SIDE if axis else 1
    for output in single.graph.output:
        output.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(single).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    sources = {node.output[0]: node.input[0] for node in graph.node}
    sizes = {tensor.name: tensor.dims for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            weights = sizes[node.input[1] if node.input[1] in sizes else sources[node.input[1]]]
            found[node.output[0]] = math.prod(shapes[node.output[0]]) * math.prod(weights[1:])
    return found


def check_precision(model: onnx.ModelProto, wanted: str) -> None:
    """Refuses a file that is not of the precision asked for.

    Raises:
        ExportError: Naming both.
    """
    got = achieved(model)
    if got != wanted:
        raise ExportError(f"asked for {wanted}, the exported file is {got}; nothing was written")
