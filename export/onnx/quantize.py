"""ONNX int8: a float graph with QuantizeLinear and DequantizeLinear round its convolutions.

Weights are int8 with a scale for each output channel. What activations are, and where they are
rounded, is what the engine fuses into integer convolutions, see `Placement`.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from unmask_sdk.calibration.plan import Plan
from unmask_sdk.calibration.ranges import Ranges, observe, ranges
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import ExportError

from .precision import torch_name


@dataclass(frozen=True)
class Placement:
    """Where an engine wants to see rounding.

    Attributes:
        activations: Their type.
        between: Operators that may join int8 convolutions without leaving int8.
        shared: Whether float operators read the rounded tensors of their int8 neighbours.
        short_names: Whether what the quantiser adds gets names of a few letters: its own are a
            twelfth of a small file.
        options: For the quantiser.
    """

    activations: QuantType
    between: tuple[str, ...]
    shared: bool
    short_names: bool
    options: Mapping[str, Any]


# ONNX Runtime: activations of uint8 with a zero point. Not Slice in between, though it would save
# 4 % of a run: OpenVINO 2026.4 then does not open the file.
CPU = Placement(
    activations=QuantType.QUInt8,
    between=("Relu", "Add", "Concat", "Resize", "DepthToSpace"),
    shared=False,
    short_names=True,
    options={"ActivationSymmetric": False},
)
# OpenVINO: the same, but biases in float, as it adds them; and what a convolution puts out is
# rounded where another reads it, which OpenVINO fuses.
OPENVINO = replace(
    CPU,
    options={
        **CPU.options,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
)
# TensorRT: int8 without zero points and float biases, as its parser demands. Rounding comes before
# a convolution and never between it and its Relu, which are one kernel; and that kernel writes
# int8 alone if nobody asks for its output in float.
TENSORRT = Placement(
    activations=QuantType.QInt8,
    between=(),
    shared=True,
    short_names=False,  # Its build log is read by them.
    options={
        "ActivationSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
)


class FloatGraph:
    """A float graph, ready to be quantised again and again.

    Args:
        model: ONNX file as `onnx.to_onnx` makes it: weights are named after their torch modules.
        placement: Where rounding goes.
    """

    def __init__(self, model: bytes, placement: Placement = CPU) -> None:
        self.file = model
        self.placement = placement
        self._model = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
        self.convolutions = {
            torch_name(node.input[1].removesuffix(".weight")): node
            for node in self._model.graph.node
            if node.op_type == "Conv"
        }

    def nodes(self, keep_float: Collection[str]) -> list[onnx.NodeProto]:
        """The nodes that become int8: convolutions, and what lies between them and no others.

        Raises:
            ExportError: If a name in `keep_float` is none of the graph's.
        """
        unknown = set(keep_float) - set(self.convolutions)
        if unknown:
            raise ExportError(
                f"the plan keeps layers in float that the network does not have: {sorted(unknown)}"
            )
        kept = {self.convolutions[name].name for name in keep_float}
        constants = {tensor.name for tensor in self._model.graph.initializer} | {""}
        chosen: list[onnx.NodeProto] = []
        whole: set[str] = set()
        for node in self._model.graph.node:
            if node.op_type == "Conv":
                inside = node.name not in kept
            else:
                inputs = set(node.input) - constants
                inside = node.op_type in self.placement.between and inputs <= whole
            if inside:
                chosen.append(node)
                whole.update(node.output)
        return chosen

    def tensors(self, keep_float: Collection[str] = ()) -> tuple[str, ...]:
        """Names of the activations whose ranges int8 needs."""
        constants = {tensor.name for tensor in self._model.graph.initializer} | {""}
        named = (
            name
            for node in self.nodes(keep_float)
            for name in (*node.input, *node.output)
            if name not in constants
        )
        return tuple(dict.fromkeys(named))

    def quantise(
        self,
        ranges: Ranges,
        keep_float: Collection[str] = (),
        *,
        per_channel: bool = True,
        symmetric: bool = False,
    ) -> bytes:
        """Gives the int8 graph as the bytes of an ONNX file.

        Args:
            ranges: Range of each of `tensors(keep_float)`.
            keep_float: Torch names of the convolutions that stay in float.
            per_channel: Whether weights have a scale for each output channel.
            symmetric: Whether activations are int8 without a zero point, whatever the placement.

        Raises:
            ExportError: If a name in `keep_float` is none of the graph's.
        """
        nodes = self.nodes(keep_float)
        # Scales are of the tensors' own type.
        types = {
            value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).type
            for value in self._model.graph.value_info
        }
        data = {
            name: TensorData(lowest=types[name](low), highest=types[name](high))
            for name, (low, high) in ranges.items()
        }
        quantiser = QDQQuantizer(
            copy.deepcopy(self._model),
            per_channel,
            False,
            QuantType.QInt8,
            QuantType.QInt8 if symmetric else self.placement.activations,
            TensorsData(CalibrationMethod.MinMax, data),
            [node.name for node in nodes],
            [],
            sorted({node.op_type for node in nodes}),
            {**self.placement.options, **({"ActivationSymmetric": True} if symmetric else {})},
        )
        # It reports to standard output.
        with redirect_stdout(io.StringIO()):
            quantiser.quantize_model()
        quantiser.model.topological_sort()
        model: onnx.ModelProto = quantiser.model.model
        if not self.placement.shared:
            _spare_the_rest(model, nodes)
        if self.placement.short_names:
            _shorten_names(model, self._model)
        del model.graph.value_info[:]
        model.producer_version = ""
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def quantised(model: bytes, images: UInt8Array, plan: Plan, placement: Placement = CPU) -> bytes:
    """Gives the int8 file of a float one, by a plan.

    Args:
        model: ONNX file as `onnx.to_onnx` makes it.
        images: uint8 `[N, S, S, 3]` calibration crops in the graph's size.
        plan: What stays in float, and how ranges are taken.
        placement: Where rounding goes.

    Raises:
        ExportError: If the plan names layers that the network does not have.
    """
    graph = FloatGraph(model, placement)
    tensors = graph.tensors(plan.keep_float)
    observed = observe(model, tensors, images, counted=plan.method != "minmax")
    chosen = ranges(observed, plan.method)
    return graph.quantise(chosen, plan.keep_float, per_channel=plan.per_channel)


def _spare_the_rest(model: onnx.ModelProto, int8: Collection[onnx.NodeProto]) -> None:
    """Gives float nodes back the float tensors that they share with int8 convolutions.

    The quantiser gives everyone the rounded ones. What int8 nodes put out stays rounded: asked for
    in float as well, it would be computed in float.
    """
    made = {name for node in int8 for name in node.output}
    inside = {node.name for node in int8} | {""}
    original: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in made:
            original[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] in original:
            original[node.output[0]] = original[node.input[0]]
        elif node.op_type != "DequantizeLinear" and node.name not in inside:
            for k, name in enumerate(node.input):
                node.input[k] = original.get(name, name)


def _shorten_names(model: onnx.ModelProto, original: onnx.ModelProto) -> None:
    """Renames what is not in the original."""
    known = {name for node in original.graph.node for name in (*node.input, *node.output)}
    short: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.ClearField("name")
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                if name not in known:
                    names[k] = short.setdefault(name, f"q{len(short):x}")
    for tensor in model.graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)
