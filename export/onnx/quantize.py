"""ONNX int8: a float graph with QuantizeLinear and DequantizeLinear around its convolutions.

Weights are int8 with a scale for each output channel. The type of activations, and where they are
quantized, depends on what an engine fuses into integer convolutions; see `Placement`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from unmask_sdk.calibration.plan import Int8Plan
from unmask_sdk.calibration.ranges import Ranges, find_ranges, observe
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import ExportError
from unmask_sdk.export.quiet_converters import quiet_converters

from .precision import int8_share, torch_name


@dataclass(frozen=True)
class Placement:
    """Where an engine expects tensors to be quantized.

    Attributes:
        activations: Type of quantized activations.
        between: Operators between int8 convolutions that stay in int8 too.
        shared: Whether float operators read the quantized tensors of their int8 neighbors.
        short_names: Whether nodes and tensors that the quantizer adds get names of a few letters:
            its own names are a twelfth of a small file.
        options: Further options of ONNX Runtime's quantizer.
    """

    activations: QuantType
    between: tuple[str, ...]
    shared: bool
    short_names: bool
    options: Mapping[str, Any]


# ONNX Runtime: uint8 activations with a zero point. Slice is not in `between`, though it would save
# 4 % of a run: OpenVINO 2026.4 would not open the file.
CPU = Placement(
    activations=QuantType.QUInt8,
    between=("Relu", "Add", "Concat", "Resize", "DepthToSpace"),
    shared=False,
    short_names=True,
    options={"ActivationSymmetric": False},
)
# OpenVINO: the same, but biases in float, as it adds them, and the output of a convolution is
# quantized where another reads it, which OpenVINO fuses.
OPENVINO = replace(
    CPU,
    options={
        **CPU.options,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
)
# TensorRT: int8 without zero points and float biases, as its parser requires. Tensors are quantized
# before a convolution and never between it and its Relu, which are one kernel; and that kernel
# writes int8 only if no other node reads its output in float.
TENSORRT = Placement(
    activations=QuantType.QInt8,
    between=(),
    shared=True,
    short_names=False,  # `trt.precision` finds layers by their names.
    options={
        "ActivationSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
)


class FloatGraph:
    """A float graph that can be quantized many times.

    Args:
        model: ONNX file from `to_onnx`: weights are named after their torch modules.
        placement: Where tensors are quantized.

    Attributes:
        file: The ONNX file.
        placement: Where tensors are quantized.
        convolutions: The convolutions' nodes by their torch names, in the graph's order.
    """

    def __init__(self, model: bytes, placement: Placement = CPU) -> None:
        self.file = model
        self.placement = placement
        self._model = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
        self.convolutions: dict[str, onnx.NodeProto] = {
            torch_name(node.input[1].removesuffix(".weight")): node
            for node in self._model.graph.node
            if node.op_type == "Conv"
        }

    def nodes(self, keep_float: Collection[str]) -> list[onnx.NodeProto]:
        """Returns the nodes that become int8: convolutions, and operators between only these.

        Raises:
            ExportError: If a name in `keep_float` is not in the graph.
        """
        unknown = set(keep_float) - set(self.convolutions)
        if unknown:
            raise ExportError(
                f"the plan keeps layers in float that the network does not have: {sorted(unknown)}"
            )
        kept = {self.convolutions[name].name for name in keep_float}
        constants = {tensor.name for tensor in self._model.graph.initializer} | {""}
        chosen: list[onnx.NodeProto] = []
        int8: set[str] = set()
        for node in self._model.graph.node:
            if node.op_type == "Conv":
                inside = node.name not in kept
            else:
                inputs = set(node.input) - constants
                inside = node.op_type in self.placement.between and inputs <= int8
            if inside:
                chosen.append(node)
                int8.update(node.output)
        return chosen

    def tensors(self, keep_float: Collection[str] = ()) -> tuple[str, ...]:
        """Returns the names of the activations whose ranges int8 needs."""
        constants = {tensor.name for tensor in self._model.graph.initializer} | {""}
        named = (
            name
            for node in self.nodes(keep_float)
            for name in (*node.input, *node.output)
            if name not in constants
        )
        return tuple(dict.fromkeys(named))

    def int8_share(self, file: bytes) -> float:
        """Returns the share, 0..1, of the convolutions' work that is int8 in a quantized file."""
        return int8_share(onnx.load_from_string(file))

    def quantize(
        self,
        ranges: Ranges,
        keep_float: Collection[str] = (),
        *,
        per_channel: bool = True,
        symmetric: bool = False,
    ) -> bytes:
        """Returns the int8 graph as the bytes of an ONNX file.

        Args:
            ranges: Range of each of `tensors(keep_float)`.
            keep_float: Torch names of the convolutions that stay in float.
            per_channel: Whether weights have a scale for each output channel.
            symmetric: Whether activations are int8 without a zero point, for any placement.

        Raises:
            ExportError: If a name in `keep_float` is not in the graph.
        """
        nodes = self.nodes(keep_float)
        # Scales have the type of the tensors.
        types = {
            value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).type
            for value in self._model.graph.value_info
        }
        data = {
            name: TensorData(lowest=types[name](low), highest=types[name](high))
            for name, (low, high) in ranges.items()
        }
        quantizer = QDQQuantizer(
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
        with quiet_converters(stdout=True):
            quantizer.quantize_model()
        quantizer.model.topological_sort()
        model: onnx.ModelProto = quantizer.model.model
        if not self.placement.shared:
            _restore_float_inputs(model, nodes)
        if self.placement.short_names:
            _shorten_names(model, self._model)
        del model.graph.value_info[:]
        model.producer_version = ""
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def quantize_by_plan(
    model: bytes, images: UInt8Array, plan: Int8Plan, placement: Placement = CPU
) -> bytes:
    """Returns the int8 file of a float ONNX file, by a plan.

    Args:
        model: ONNX file from `to_onnx`.
        images: uint8 `[N, S, S, 3]` calibration crops in the graph's size.
        plan: Which layers stay in float, and how ranges are derived.
        placement: Where tensors are quantized.

    Raises:
        ExportError: If the plan names layers that the network does not have.
    """
    graph = FloatGraph(model, placement)
    kept = plan.kept(symmetric=placement.options["ActivationSymmetric"])
    tensors = graph.tensors(kept)
    observed = observe(model, tensors, images, counted=plan.method != "minmax")
    ranges = find_ranges(observed, plan.method)
    return graph.quantize(ranges, kept, per_channel=plan.per_channel)


def _restore_float_inputs(model: onnx.ModelProto, int8: Collection[onnx.NodeProto]) -> None:
    """Lets float nodes read the float tensors that they share with int8 convolutions.

    The quantizer connects all readers to the quantized tensors. Outputs of int8 nodes stay
    quantized: if a node read them in float too, they would be computed in float.
    """
    outputs = {name for node in int8 for name in node.output}
    inside = {node.name for node in int8} | {""}
    original: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in outputs:
            original[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] in original:
            original[node.output[0]] = original[node.input[0]]
        elif node.op_type != "DequantizeLinear" and node.name not in inside:
            for k, name in enumerate(node.input):
                node.input[k] = original.get(name, name)


def _shorten_names(model: onnx.ModelProto, original: onnx.ModelProto) -> None:
    """Returns short names to nodes and tensors that are not in the original."""
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
