"""Outputs of the convolutions of an ONNX file, by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from unmask_sdk.benchmarks.layers import Tap


def extended(path: Path) -> tuple[bytes, list[str]]:
    """A copy of the file that gives its convolutions' outputs too, and their names in order."""
    model = onnx.load(path)
    names = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    del model.graph.output[:]
    # Without a type: the engine infers it.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return model.SerializeToString(), names


def record(path: Path, image: npt.NDArray[np.uint8]) -> list[Tap]:
    """Runs the file and gives each convolution's output.

    Args:
        path: An ONNX file.
        image: uint8 `[1, S, S, 3]`.
    """
    content, names = extended(path)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    outputs = session.run(names, {session.get_inputs()[0].name: image})
    return [
        Tap(name, output.astype(np.float32)) for name, output in zip(names, outputs, strict=True)
    ]
