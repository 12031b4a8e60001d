"""Outputs of the convolutions of an ONNX file or OpenVINO IR, by OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov

from unmask_sdk.core.arrays import UInt8Array

from .tap import Tap

CONVOLUTIONS = ("Convolution", "GroupConvolution")


def record(path: Path, image: UInt8Array) -> list[Tap]:
    """Returns the output of each convolution, with its bias added.

    Args:
        path: An ONNX file, or the folder of an IR.
        image: uint8 `[1, S, S, 3]`.
    """
    core = ov.Core()
    widths: dict[str, int | None]
    if path.suffix == ".onnx":
        from .taps_onnx import extended

        content, widths = extended(path)
        model = core.read_model(content)
    else:
        model = core.read_model(next(path.glob("*.xml")))
        outputs = [
            _biased(op) for op in model.get_ordered_ops() if op.get_type_name() in CONVOLUTIONS
        ]
        widths = {output.get_node().get_friendly_name(): None for output in outputs}
        for result in model.get_results():
            model.remove_result(result)
        model.add_outputs(outputs)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    values = core.compile_model(model, "CPU", settings)([image])
    return [
        Tap(name, np.array(value, np.float32)[:, :width])
        for (name, width), value in zip(widths.items(), values.to_tuple(), strict=True)
    ]


def _biased(convolution: ov.Node) -> ov.Output:
    """Returns a convolution's output, after the addition of its bias if it has one."""
    output = convolution.output(0)
    followers = [target.get_node() for target in output.get_target_inputs()]
    if len(followers) == 1 and followers[0].get_type_name() == "Add":
        others = [value.get_node().get_type_name() for value in followers[0].input_values()]
        if "Constant" in others or "Convert" in others:
            return followers[0].output(0)
    return output
