"""What is in a finished TFLite file: its operators, and the precision that they compute in."""

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
from unmask_sdk.export.onnx.precision import MIN_INT8_SHARE

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

_OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items()}
_TYPES = {code: name for name, code in vars(schema.TensorType).items()}
_NAMES = {"FLOAT32": "fp32", "FLOAT16": "fp16"}


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file.

    Attributes:
        name: Its name, unlike all others.
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
        kind: Such as `CONV_2D`.
        inputs: Its inputs; those left out are not in it.
        outputs: Its outputs.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """Name of its answer; that of a convolution is its torch name, see `named`."""
        return self.outputs[0].name

    @property
    def work(self) -> int:
        """Multiplications of a convolution."""
        weights = self.inputs[1].shape
        # Depthwise weights are [1, rows, columns, channels].
        each = weights[1:] if self.kind == "CONV_2D" else weights[1:3]
        return math.prod(self.outputs[0].shape) * math.prod(each)


def named(content: bytes, layers: Mapping[str, str]) -> bytes:
    """Gives tensors short names: a convolution's answer its torch name, others a number.

    The converter names them after all the modules that made them: a tenth of an int8 file.

    Args:
        content: The converter's file.
        layers: Torch names of the network's convolutions by the names of the modules that are
            called on the way to them, such as `0.1` for `branches.0.1` where `branches` is a list.

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
    """Reads the operators of a file of one graph, in the order in which they run."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs

    def tensor(index: int) -> Tensor:
        found = graph.tensors[index]
        # Constants lie in the graph or, with an offset, behind it.
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


def achieved(content: bytes) -> str:
    """The precision that a finished file computes in, counted from its convolutions.

    One is int8 if its picture, weights and answer all are; of an int8 file `MIN_INT8_SHARE` of the
    work must be such. It is fp16 if its weights are stored so; engines compute with them in
    float32 unless they are told otherwise.

    Raises:
        ExportError: If there are several precisions, or one that has no name here.
    """
    found = Counter(kinds(content).values())
    if found["int8"] and set(found) <= {"int8", "fp16", "fp32"}:
        share = int8_share(content)
        if share < MIN_INT8_SHARE:
            raise ExportError(
                f"only {share:.0%} of the work is in int8, at least {MIN_INT8_SHARE:.0%} must be; "
                "use a plan that keeps fewer layers in float"
            )
        return "int8"
    if len(found) != 1 or next(iter(found)) not in _NAMES.values():
        raise ExportError(f"the exported weights are of mixed or unknown precision: {dict(found)}")
    return next(iter(found))


def int8_share(content: bytes) -> float:
    """The share of the multiplications in convolutions that are of int8."""
    precision = kinds(content)
    work = {op.name: op.work for op in operators(content) if op.kind in CONVOLUTIONS}
    total = sum(work.values())
    return sum(work[name] for name in work if precision[name] == "int8") / total if total else 0.0


def kinds(content: bytes) -> dict[str, str]:
    """What each convolution computes in, by its torch name."""
    stored = {}
    found = {}
    for op in operators(content):
        if op.kind == "DEQUANTIZE" and op.inputs[0].constant:
            stored[op.name] = op.inputs[0].kind
        elif op.kind in CONVOLUTIONS:
            weights = stored.get(op.inputs[1].name, op.inputs[1].kind)
            around = {op.inputs[0].kind, op.outputs[0].kind}
            if weights == "INT8" and around == {"INT8"}:
                found[op.name] = "int8"
            else:
                found[op.name] = _NAMES.get(weights, f"{weights} weights")
    return found


def check_precision(content: bytes, wanted: str) -> None:
    """Refuses a file that is not of the precision asked for.

    Raises:
        ExportError: Naming both.
    """
    got = achieved(content)
    if got != wanted:
        raise ExportError(f"asked for {wanted}, the exported file is {got}; nothing was written")


def _kind(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files know the first 127 kinds by a field of their own.
    return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])


def _path(name: str) -> str:
    """The modules on the way to a convolution, such as `unmasker.segmenter.head.1`.

    Names of tensors give class and name of each module, `;` between those that became one
    operator: `…UnmaskerGraph_network/…Unmasker_unmasker/…conv.Conv2d_0;…activation.ReLU_1;2`.
    """
    path = next((part for part in name.split(";") if ".Conv2d_" in part), "")
    # Two are the exporter's own: its wrapper, and the graph in it.
    parts = path.split("/")[2:]
    return ".".join(re.sub(r"^.*\.[A-Za-z0-9]+_", "", part) for part in parts)
