"""Reads TFLite files: operators, and the precision that they compute in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from unmask_sdk.errors import ExportError
from unmask_sdk.export.precision_check import share_of

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

_OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items()}
_TYPES = {code: name for name, code in vars(schema.TensorType).items()}
_NAMES = {"FLOAT32": "fp32", "FLOAT16": "fp16"}


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file.

    Attributes:
        name: Its name, unique in the file.
        kind: Type of its values, such as `FLOAT32`.
        shape: Its shape.
        constant: Whether the file holds its values.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    constant: bool


@dataclass(frozen=True)
class Operator:
    """An operator of a file.

    Attributes:
        kind: Kind of operator, such as `CONV_2D`.
        inputs: Its inputs, without optional ones that are not given.
        outputs: Its outputs.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """Name of its output; for a convolution its torch name, see `with_short_names`."""
        return self.outputs[0].name

    @property
    def work(self) -> int:
        """Number of multiplications of a convolution."""
        weights = self.inputs[1].shape
        # Depthwise weights are [1, rows, columns, channels].
        each = weights[1:] if self.kind == "CONV_2D" else weights[1:3]
        return math.prod(self.outputs[0].shape) * math.prod(each)


def with_short_names(content: bytes, layers: Mapping[str, str]) -> bytes:
    """Returns a file with short tensor names: torch names for convolutions, numbers for others.

    The converter names tensors after all the modules that made them, a tenth of an int8 file.

    Args:
        content: The converter's file.
        layers: Torch names of the network's convolutions by the names of the modules that are
            called on the way to them: `0.1` for `branches.0.1` if `branches` is a `ModuleList`.

    Raises:
        ExportError: If the file's convolutions are not those of the network.
    """
    model = flatbuffer_utils.read_model_from_bytearray(content)
    (graph,) = model.subgraphs
    names = {index: str(index) for index in range(len(graph.tensors))}
    for signature in model.signatureDefs:
        for end in (*signature.inputs, *signature.outputs):
            names[end.tensorIndex] = end.name.decode()
    found = set()
    for operator in graph.operators:
        if _kind(model, operator) in CONVOLUTIONS:
            path = _path(graph.tensors[operator.outputs[0]].name.decode())
            found.add(path)
            names[operator.outputs[0]] = layers.get(path, path)
    if found != set(layers):
        raise ExportError(
            f"the converter's file has other convolutions than the network: {found ^ set(layers)}"
        )
    for index, name in names.items():
        graph.tensors[index].name = name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operators(content: bytes) -> list[Operator]:
    """Returns the operators of a file with one graph, in the order in which they run."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs

    def tensor(index: int) -> Tensor:
        found = graph.tensors[index]
        # Constants are stored in the graph or, with an offset, after it.
        buffer = model.buffers[found.buffer]
        constant = buffer.offset > 0 or (buffer.data is not None and len(buffer.data) > 0)
        shape = tuple(int(size) for size in (() if found.shape is None else found.shape))
        return Tensor(found.name.decode(), _TYPES[found.type], shape, constant)

    tensors = [tensor(index) for index in range(len(graph.tensors))]
    return [
        Operator(
            _kind(model, operator),
            tuple(tensors[index] for index in operator.inputs if index >= 0),
            tuple(tensors[index] for index in operator.outputs),
        )
        for operator in graph.operators
    ]


def conv_work_by_precision(content: bytes) -> dict[str, int]:
    """Returns the multiplications of a file's convolutions, by precision."""
    layers = precision_by_layer(content)
    counts: Counter[str] = Counter()
    for op in operators(content):
        if op.kind in CONVOLUTIONS:
            counts[layers[op.name]] += op.work
    return dict(counts)


def int8_share(content: bytes) -> float:
    """Returns the share, 0..1, of the convolutions' multiplications that are in int8."""
    return share_of(conv_work_by_precision(content), "int8")


def precision_by_layer(content: bytes) -> dict[str, str]:
    """Returns the precision of each convolution, by its torch name.

    A convolution is int8 if its input, weights and output all are. It is fp16 if its weights are
    stored so; engines compute with them in float32 unless they are configured otherwise.
    """
    stored = {}
    found = {}
    for op in operators(content):
        if op.kind == "DEQUANTIZE" and op.inputs[0].constant:
            stored[op.name] = op.inputs[0].kind
        elif op.kind in CONVOLUTIONS:
            weights = stored.get(op.inputs[1].name, op.inputs[1].kind)
            activations = {op.inputs[0].kind, op.outputs[0].kind}
            if weights == "INT8" and activations == {"INT8"}:
                found[op.name] = "int8"
            else:
                found[op.name] = _NAMES.get(weights, f"{weights} weights")
    return found


def _kind(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files store the first 127 kinds in a separate field.
    return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])


def _path(name: str) -> str:
    """Returns the modules on the way to a convolution, such as `unmasker.segmenter.head.1`.

    Names of tensors hold class and name of each module, with `;` between those that became one
    operator: `…UnmaskerGraph_network/…Unmasker_unmasker/…conv.Conv2d_0;…activation.ReLU_1;2`.
    """
    path = next((part for part in name.split(";") if ".Conv2d_" in part), "")
    # The first two are the exporter's wrapper and the graph in it.
    parts = path.split("/")[2:]
    return ".".join(re.sub(r"^.*\.[A-Za-z0-9]+_", "", part) for part in parts)
