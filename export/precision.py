"""Precision of an exported graph: how it is set, and how it is found in the finished file."""

from __future__ import annotations

import copy
from collections import Counter

import onnx
from torch import Tensor, nn

from unmask_sdk.errors import ExportError

# Operators whose weights are what the precision is about.
WEIGHTED = ("Conv", "Gemm", "MatMul")
_NAMES = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16"}


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
        for name, network in lowered.named_children():
            setattr(lowered, name, Halved(network))
    return lowered.eval()


def achieved(model: onnx.ModelProto) -> str:
    """The precision that the weights of a finished file have, counted from the file.

    Raises:
        ExportError: If they have several, or one that has no name here.
    """
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    found = Counter(
        kinds[node.input[1]]
        for node in model.graph.node
        if node.op_type in WEIGHTED and node.input[1] in kinds
    )
    if len(found) != 1 or next(iter(found)) not in _NAMES:
        named = {onnx.TensorProto.DataType.Name(kind): count for kind, count in found.items()}
        raise ExportError(f"the exported weights are of mixed or unknown precision: {named}")
    return _NAMES[next(iter(found))]


def check_precision(model: onnx.ModelProto, wanted: str) -> None:
    """Refuses a file that is not of the precision asked for.

    Raises:
        ExportError: Naming both.
    """
    got = achieved(model)
    if got != wanted:
        raise ExportError(f"asked for {wanted}, the exported file is {got}; nothing was written")
