"""Stores the weights of an fp32 file in half of the bytes, and loses nothing.

Weight files hold 16-bit numbers; an exported graph holds their products with the scales of the
batch norms. The stored file has the 16-bit numbers and the scales instead, and nodes that multiply.
Engines do so once, when they open the file, and then hold the same 32-bit numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
from torch import nn

from unmask_sdk.core.arrays import Float16Array, Float32Array

# How far a scale can be from the quotient of two rounded numbers, in steps of its last digit.
_STEPS = 4


def halve_weights(model: onnx.ModelProto, network: nn.Module) -> None:
    """Stores weights in 16 bits where their 32-bit values can be computed from these exactly.

    Args:
        model: The graph in fp32, whose weights are named as in the network; it is changed.
        network: The network that it was exported from.
    """
    halves = _read_halves(network)
    graph = model.graph
    stored: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        parts = _halve(tensor, halves[tensor.name]) if tensor.name in halves else None
        if parts is None:
            stored.append(tensor)
        else:
            stored += parts[0]
            nodes += parts[1]
    changed = onnx.GraphProto(initializer=stored, node=[*nodes, *graph.node])
    for field in ("initializer", "node"):
        graph.ClearField(field)
    graph.MergeFrom(changed)


def _halve(
    tensor: onnx.TensorProto, half: Float16Array
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]] | None:
    """Returns what replaces a weight, and the nodes that compute it; `None` if nothing can."""
    name, dims = tensor.name, list(tensor.dims)
    # A scale for each number would take more space than it saves.
    if len(dims) < 2 or tensor.data_type != onnx.TensorProto.FLOAT or half.size != math.prod(dims):
        return None
    products = onnx.numpy_helper.to_array(tensor).reshape(dims[0], -1)
    scales = _find_scales(half.reshape(products.shape).astype(np.float32), products)
    if scales is None:
        return None
    tensors = [onnx.numpy_helper.from_array(half.reshape(dims), f"{name}_half")]
    plain = bool((scales == 1).all())
    float_name = name if plain else f"{name}_float"
    node = onnx.helper.make_node
    nodes = [node("Cast", [f"{name}_half"], [float_name], to=onnx.TensorProto.FLOAT)]
    if not plain:
        nodes.append(node("Mul", [float_name, f"{name}_scale"], [name]))
        shape = [dims[0], *(1 for _ in dims[1:])]
        tensors.append(onnx.numpy_helper.from_array(scales.reshape(shape), f"{name}_scale"))
    return tensors, nodes


def _find_scales(values: Float32Array, products: Float32Array) -> Float32Array | None:
    """Returns the scale of each row that gives exactly the products, or `None`."""
    rows = np.arange(len(values))
    largest = np.abs(values).argmax(axis=1)
    divisor = values[rows, largest]
    quotient = np.divide(
        products[rows, largest], divisor, out=np.ones_like(divisor), where=divisor != 0
    )
    found = np.full(len(values), np.nan, np.float32)
    for step in range(-_STEPS, _STEPS + 1):
        scales = (quotient.view(np.int32) + step).view(np.float32)
        exact = (values * scales[:, None] == products).all(axis=1)
        found = np.where(np.isnan(found) & exact, scales, found)
    return None if np.isnan(found).any() else found


def _read_halves(network: nn.Module) -> Mapping[str, Float16Array]:
    """Returns the weights of a network that are 16-bit numbers, by name."""
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return {
        name: tensor.half().numpy()
        for name, tensor in state.items()
        if tensor.is_floating_point() and bool((tensor.half().float() == tensor).all())
    }
