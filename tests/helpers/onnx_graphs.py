"""Builds ONNX graphs node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask_sdk.core.manifest import TensorSpec

ELEMENT_TYPES = {"float32": 1, "uint8": 2}
# The oldest versions that have every operator used here; any ONNX Runtime opens them.
OPSET, IR_VERSION = 17, 8


class OnnxGraph:
    """An ONNX graph with one input, `image` uint8 `[N, H, W, 3]`.

    Methods add nodes and return the name of the tensor that the last of them makes.
    """

    def __init__(self) -> None:
        self.onnx = pytest.importorskip("onnx")
        self.nodes: list[Any] = []

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Adds a node; arrays and numbers among the inputs become constants."""
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        output = f"t{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [output], **attributes))
        return output

    def _constant(self, value: Any) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        output = f"t{len(self.nodes)}"
        tensor = self.onnx.numpy_helper.from_array(array, output)
        self.nodes.append(self.onnx.helper.make_node("Constant", [], [output], value=tensor))
        return output

    def to_float(self, tensor: str) -> str:
        """Casts to float32."""
        return self.op("Cast", tensor, to=ELEMENT_TYPES["float32"])

    def to_uint8(self, tensor: str) -> str:
        """Casts to uint8."""
        return self.op("Cast", tensor, to=ELEMENT_TYPES["uint8"])

    def coordinates(self, like: str, axis: int, step: int = 1) -> str:
        """Returns the pixel coordinates along an axis, at the centers of cells of `step` pixels."""
        length = self.op("Gather", self.op("Shape", like), np.array(axis), axis=0)
        count = self.op("Div", length, np.array(step))
        cells = self.to_float(self.op("Range", np.array(0), count, np.array(1)))
        centers = self.op("Add", self.op("Mul", cells, float(step)), (step - 1) / 2)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        return self.op("Reshape", centers, np.array(shape))

    def total(self, value: str) -> str:
        """Sums over each image: `[N, 1, 1, 1]`."""
        return self.op("ReduceSum", value, np.array([1, 2, 3]), keepdims=1)

    def save(
        self, path: Path, side: int | None, outputs: dict[str, tuple[str, TensorSpec]]
    ) -> None:
        """Names the outputs, checks the graph and writes the file.

        Args:
            path: File; its stem is the name of the graph.
            side: Height and width of the input in pixels; `None` for any.
            outputs: Tensor and type of each output, by name.
        """
        helper = self.onnx.helper
        infos = []
        for name, (tensor, spec) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name]))
            infos.append(helper.make_tensor_value_info(name, ELEMENT_TYPES[spec.dtype], spec.shape))
        image = helper.make_tensor_value_info(
            "image", ELEMENT_TYPES["uint8"], [None, side, side, 3]
        )
        graph = helper.make_graph(self.nodes, path.stem, [image], infos)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        self.onnx.checker.check_model(model)
        self.onnx.save(model, path)
