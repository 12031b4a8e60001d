"""OpenVINO IR: a folder with `model.xml` and `model.bin`, made from our ONNX graph.

In fp16 the weights are stored as float16 and the arithmetic stays float32. The text in `model.xml`
would be a quarter of an int8 artifact: what it says twice, or what reading it finds out anew, is
left out.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx

from unmask_sdk.calibration.images import read_images
from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.errors import ExportError
from unmask_sdk.export.onnx.exporter import TOOLS, to_onnx
from unmask_sdk.export.onnx.precision import MIN_INT8_SHARE, check_precision
from unmask_sdk.export.onnx.quantize import OPENVINO, quantised
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.runtimes.base import one_line
from unmask_sdk.runtimes.openvino import MODEL, OpenVINORuntime

_NAMES = {"f32": "fp32", "f16": "fp16", "i8": "int8"}


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`."""
    # After the runtime's module, which keeps OpenVINO from reporting to its makers.
    import openvino as ov

    size: Any = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    graph, digest = to_onnx(job.network, inputs, outputs), None
    if job.precision == "int8":
        images, plan = read_images(job.calibration), plan_for(job.network, job.calibration)
        graph, digest = quantised(graph, images.at(size), plan, OPENVINO), images.sha256
        check_precision(onnx.load_from_string(graph), job.precision)
    with tempfile.TemporaryDirectory(prefix="unmask-openvino-") as folder:
        path = Path(folder) / MODEL
        try:
            model = ov.convert_model(io.BytesIO(graph))
            _share_constants(model)
            _rename(model)
            ov.save_model(model, path, compress_to_fp16=True)
            path.write_bytes(lean(path.read_bytes()))
            got = achieved(ov.Core().read_model(path))
        except RuntimeError as error:
            raise ExportError(f"OpenVINO could not convert: {one_line(error)}") from error
        if got != job.precision:
            raise ExportError(
                f"asked for {job.precision}, the exported file is {got}; nothing was written"
            )
        files = {file.name: file.read_bytes() for file in (path, path.with_suffix(".bin"))}
    return Converted(files, inputs, outputs, (*TOOLS, "openvino"), digest)


def prove(path: Path, artifact: Artifact) -> OpenVINORuntime:
    """Opens a finished file in OpenVINO."""
    return OpenVINORuntime(path, artifact)


def achieved(model: Any) -> str:
    """The precision of a finished file, counted from the stored weights of its convolutions.

    Raises:
        ExportError: If they have several, or one that has no name here.
    """
    found: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Convolution":
            weights = node.input_value(1).get_node()
            # Between stored weights and a convolution lie conversion and scale.
            while weights.get_type_name() in ("Convert", "Multiply", "Subtract"):
                weights = weights.input_value(0).get_node()
            kind = weights.get_element_type().get_type_name()
            found[_NAMES.get(kind, kind)] += math.prod(weights.get_output_shape(0))
    if len(found) == 1 and set(found) <= {"fp32", "fp16"}:
        return next(iter(found))
    if found["int8"] >= MIN_INT8_SHARE * sum(found.values()) > 0:
        return "int8"
    raise ExportError(f"the exported weights are of mixed or unknown precision: {dict(found)}")


def lean(xml: bytes) -> bytes:
    """A graph's text without indentation, and without what reading it infers: inner shapes, and
    the types of inputs, which are those of the outputs that they come from."""
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.text = element.tail = None
        for dim in element.findall("dim"):
            element.remove(dim)
    for port in root.iterfind("layers/layer/input/port"):
        port.attrib.pop("precision", None)
    return ElementTree.tostring(root)


def _share_constants(model: Any) -> None:
    """Lets all that take an equal constant take the same one."""
    known: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            kind, shape = node.get_element_type().get_type_name(), tuple(node.get_output_shape(0))
            first = known.setdefault((kind, shape, node.data.tobytes()), node)
            if first is not node:
                for target in node.output(0).get_target_inputs():
                    target.replace_source_output(first.output(0))


def _rename(model: Any) -> None:
    """Numbers the nodes: made-up names count on through the process, and ONNX's are long."""
    for k, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            # The type stands beside it; constants are half of all.
            constant = node.get_type_name() == "Constant"
            node.set_friendly_name(str(k) if constant else f"{node.get_type_name()}_{k}")
            for output in node.outputs():
                # What the graph puts out is found by its name.
                if not any(
                    target.get_node().get_type_name() == "Result"
                    for target in output.get_target_inputs()
                ):
                    output.get_tensor().set_names(set())
