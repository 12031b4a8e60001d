"""Stores the weights of an ONNX file in half of the bytes, and loses nothing.

The weight files hold 16-bit numbers; an exported file in fp32 holds their products with the scales
of the batch norms. Here it gets the 16-bit numbers and the scales instead, and nodes that multiply
them: ONNX Runtime does so once, when it opens the file, and has the same 32-bit numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from unmask_sdk.core.arrays import Float16Array, Float32Array

from .protobuf import bytes_field, number_field, read_fields, read_varints, replace_messages

# Numbers of the fields in onnx.proto.
_GRAPH_OF_MODEL = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_NUMBER, _ATTRIBUTE_TYPE = 1, 3, 20
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_ATTRIBUTE_INT = 2
_FLOAT, _HALF = 1, 10
# How far a scale can be from the quotient of two rounded numbers, in steps of its last digit.
_STEPS = 4


def halve_weights(onnx: bytes, safetensors: bytes) -> bytes:
    """Returns an ONNX file in fp32 with halved weights.

    Args:
        onnx: The file.
        safetensors: The weights that it was exported from.
    """
    halves = _read_halves(safetensors)
    return replace_messages(onnx, _GRAPH_OF_MODEL, lambda graph: [_halve_graph(graph, halves)])


class _Tensor(NamedTuple):
    dims: list[int]
    type: int
    name: str
    raw: bytes


def _halve_graph(graph: bytes, halves: Mapping[str, Float16Array]) -> bytes:
    nodes: list[bytes] = []

    def halve(message: bytes) -> list[bytes]:
        tensor = _read_tensor(message)
        values = halves.get(tensor.name)
        if tensor.type != _FLOAT or values is None or 4 * values.size != len(tensor.raw):
            return [message]
        products = np.frombuffer(tensor.raw, "<f4").reshape(tensor.dims[0], -1)
        scales = _find_scales(values.reshape(products.shape).astype(np.float32), products)
        if scales is None:
            return [message]
        name = tensor.name
        stored = [_tensor(f"{name}_half", _HALF, tensor.dims, values.tobytes())]
        plain = bool((scales == 1).all())
        float_name = name if plain else f"{name}_float"
        cast = number_field(_ATTRIBUTE_NUMBER, _FLOAT) + bytes_field(_ATTRIBUTE_NAME, "to")
        cast += number_field(_ATTRIBUTE_TYPE, _ATTRIBUTE_INT)
        nodes.append(
            _node("Cast", [f"{name}_half"], float_name, bytes_field(_NODE_ATTRIBUTE, cast))
        )
        if not plain:
            nodes.append(_node("Mul", [float_name, f"{name}_scale"], name))
            shape = [tensor.dims[0], *(1 for _ in tensor.dims[1:])]
            stored.append(_tensor(f"{name}_scale", _FLOAT, shape, scales.tobytes()))
        return stored

    body = replace_messages(graph, _GRAPH_INITIALIZER, halve)
    return b"".join(nodes) + body


def _find_scales(values: Float32Array, products: Float32Array) -> Float32Array | None:
    """Returns the scale of each row that gives exactly the products, or `None`."""
    rows = np.arange(len(values))
    largest = np.abs(values).argmax(axis=1)
    divisor = values[rows, largest]
    quotient = np.divide(
        products[rows, largest], divisor, out=np.ones_like(divisor), where=divisor != 0
    )
    found = np.full(len(values), np.nan, "<f4")
    for step in range(-_STEPS, _STEPS + 1):
        scales = (quotient.view(np.int32) + step).view(np.float32)
        exact = (values * scales[:, None] == products).all(axis=1)
        found = np.where(np.isnan(found) & exact, scales, found)
    return None if np.isnan(found).any() else found


def _node(kind: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    parts = [bytes_field(_NODE_INPUT, name) for name in inputs]
    parts += [bytes_field(_NODE_OUTPUT, output), bytes_field(_NODE_TYPE, kind), attribute]
    return bytes_field(_GRAPH_NODE, b"".join(parts))


def _tensor(name: str, kind: int, dims: list[int], raw: bytes) -> bytes:
    sizes = b"".join(number_field(_TENSOR_DIMS, size) for size in dims)
    described = number_field(_TENSOR_TYPE, kind) + bytes_field(_TENSOR_NAME, name)
    return sizes + described + bytes_field(_TENSOR_RAW, raw)


def _read_tensor(message: bytes) -> _Tensor:
    dims: list[int] = []
    kind, name, raw = 0, b"", b""
    for field, value, _ in read_fields(message):
        if field == _TENSOR_DIMS:
            # One number, or several in one field.
            dims += [value] if isinstance(value, int) else read_varints(value)
        elif field == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif field == _TENSOR_NAME and isinstance(value, bytes):
            name = value
        elif field == _TENSOR_RAW and isinstance(value, bytes):
            raw = value
    return _Tensor(dims, kind, name.decode(), raw)


def _read_halves(file: bytes) -> dict[str, Float16Array]:
    """Returns the 16-bit tensors of a safetensors file by name."""
    size = int.from_bytes(file[:8], "little")
    entries = json.loads(file[8 : 8 + size])
    halves = {}
    for name, entry in entries.items():
        if entry.get("dtype") == "F16":
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            halves[name] = np.frombuffer(file[start:end], "<f2")
    return halves
