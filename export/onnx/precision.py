"""Precision of an ONNX graph: how it is set, and how it is counted in a finished file."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping

import onnx
from torch import Tensor, nn

from unmask_sdk.export.precision_check import share_of

# Operators whose weights decide the precision.
WEIGHTED = ("Conv", "Gemm", "MatMul")
_NAMES = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16"}
_INT8 = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
# Side in pixels at which graphs that take any height and width are counted.
OPEN_SIDE = 256


class HalfPrecision(nn.Module):
    """A network in fp16 between float32 inputs and outputs.

    The casts stay outside: compositing on the 0..255 scale needs float32 to be exact.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Returns the network's outputs in float32."""
        outputs = self.network(*(x.half() for x in inputs))
        if isinstance(outputs, Tensor):
            return outputs.float()
        return tuple(output.float() for output in outputs)


def to_precision(graph: nn.Module, precision: str) -> nn.Module:
    """Returns a copy of an exportable graph whose inner network computes in a precision.

    Args:
        graph: A uint8 graph in float32, whose only child is its network.
        precision: `fp32` or `fp16`.
    """
    converted = copy.deepcopy(graph)
    if precision == "fp16":
        _halve_children(converted)
    return converted.eval()


def parts_to_precision(graph: nn.Module, precision: str) -> nn.Module:
    """Like `to_precision`, but keeps the steps between the network's parts in float32.

    Those are the sigmoid, and the hole mask and the decision that are computed from it.
    """
    converted = copy.deepcopy(graph)
    if precision == "fp16":
        for network in converted.children():
            _halve_children(network)
    return converted.eval()


def _halve_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        setattr(module, name, HalfPrecision(child))


def torch_name(name: str) -> str:
    """Returns the name that a module had before `HalfPrecision` wrapped it."""
    return name.replace(".network.", ".")


def conv_work_by_precision(model: onnx.ModelProto) -> dict[str, int]:
    """Returns the multiplications of a file's convolutions for one image, by precision.

    A convolution is int8 if both its input and its weights are dequantized from int8: an engine
    then computes it in integers. Other layers with weights count with no work, so that
    `precision_check` sees their precision too.
    """
    layers, work = _layer_precisions(model), conv_work(model)
    counts: Counter[str] = Counter()
    for name, precision in layers.items():
        counts[precision] += work.get(name, 0)
    return dict(counts)


def int8_share(model: onnx.ModelProto) -> float:
    """Returns the share, 0..1, of the convolutions' multiplications that are in int8."""
    return share_of(conv_work_by_precision(model), "int8")


def conv_work(model: onnx.ModelProto) -> dict[str, int]:
    """Returns the multiplications of each convolution for one image, by its output's name.

    A graph that takes any height and width is counted at `OPEN_SIDE`.
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
    stored = _stored_weights(model)
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            weights = stored[node.input[1]].dims
            found[node.output[0]] = math.prod(shapes[node.output[0]]) * math.prod(weights[1:])
    return found


def _stored_weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Returns the stored numbers of constants by name, also of those that nodes compute from them.

    Those nodes dequantize, cast and scale; see `half_weights`.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        computed = node.op_type in ("Cast", "DequantizeLinear", "Mul")
        if computed and all(name in stored for name in node.input):
            stored[node.output[0]] = stored[node.input[0]]
    return stored


def _layer_precisions(model: onnx.ModelProto) -> Mapping[str, str]:
    """Returns the precision of each node with stored weights, by the name of its first output."""
    stored = _stored_weights(model)
    quantized = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    cast = {
        n.output[0]: n.attribute[0].i
        for n in model.graph.node
        if n.op_type == "Cast" and n.input[0] in stored
    }
    scaled = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Mul"}
    layers = {}
    for node in model.graph.node:
        activations, weights = (*node.input, "", "")[:2]
        if node.op_type not in WEIGHTED or weights not in stored:
            continue
        # Weights that are stored in another type are computed with in the one they are cast to.
        kind = cast.get(scaled.get(weights, weights), stored[weights].data_type)
        if kind in _INT8 and activations in quantized:
            layers[node.output[0]] = "int8"
        else:
            layers[node.output[0]] = _NAMES.get(kind, onnx.TensorProto.DataType.Name(kind))
    return layers
