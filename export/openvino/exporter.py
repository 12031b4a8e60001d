"""OpenVINO IR: a folder with `model.xml` and `model.bin`, converted from our ONNX graph.

In fp16 the weights are stored as float16 and the arithmetic stays float32. `model.xml` would be a
quarter of an int8 artifact, so everything that it repeats or that a reader infers is removed.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx

from unmask_sdk.calibration.plan import plan_for
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import ExportError
from unmask_sdk.export.job import Content, Converted, Job
from unmask_sdk.export.metadata import Metadata
from unmask_sdk.export.onnx.exporter import TOOLS, float_file
from unmask_sdk.export.onnx.precision import conv_work_by_precision
from unmask_sdk.export.onnx.quantize import OPENVINO, quantize_by_plan
from unmask_sdk.export.precision_check import check_precision
from unmask_sdk.runtimes.openvino import MODEL, OpenVINORuntime

# The part of `rt_info` with our metadata: `model.get_rt_info(["unmask_sdk", "license"])`.
RT_INFO = "unmask_sdk"
_NAMES = {"f32": "fp32", "f16": "fp16", "i8": "int8"}


def convert(job: Job) -> Converted:
    """Converts a network; see `job.FormatModule`."""
    # Imported after the runtime's module, which turns OpenVINO's telemetry off.
    import openvino as ov

    size: Any = job.role.size(job.network)
    inputs, outputs = job.role.inputs(size), job.role.outputs(size)
    graph, digest = float_file(job), None
    if job.precision == "int8":
        images, plan = job.calibration_images(size), plan_for(job.network, job.calibration)
        graph = quantize_by_plan(graph, images, plan, OPENVINO)
        digest = job.calibration.load().sha256
        # By the work; what is counted below is the number of weights.
        check_precision(conv_work_by_precision(onnx.load_from_string(graph)), job.precision)
    with scratch_folder("unmask-openvino-") as folder:
        path = folder / MODEL
        try:
            model = ov.convert_model(io.BytesIO(graph))
            _share_constants(model)
            _rename(model)
            ov.save_model(model, path, compress_to_fp16=True)
            path.write_bytes(minify(path.read_bytes()))
            counts = weights_by_precision(ov.Core().read_model(path))
        except RuntimeError as error:
            raise ExportError(f"OpenVINO could not convert: {one_line(error)}") from error
        files = {file.name: file.read_bytes() for file in (path, path.with_suffix(".bin"))}
    return Converted(files, inputs, outputs, (*TOOLS, "openvino"), counts, digest)


def write_metadata(content: Content, metadata: Metadata) -> Mapping[str, bytes]:
    """Returns the folder with the metadata as the model's `rt_info`; see `job.FormatModule`."""
    assert isinstance(content, Mapping)
    root = ElementTree.fromstring(content[MODEL])
    info = root.find("rt_info")
    if info is None:
        info = ElementTree.SubElement(root, "rt_info")
    own = ElementTree.SubElement(info, RT_INFO)
    for key, text in metadata.fields().items():
        ElementTree.SubElement(own, key, value=text)
    return {**content, MODEL: ElementTree.tostring(root)}


def open_converted(path: Path, artifact: Artifact) -> OpenVINORuntime:
    """Opens a finished file in OpenVINO."""
    return OpenVINORuntime(path, artifact)


def weights_by_precision(model: Any) -> dict[str, int]:
    """Returns the number of weights in a model's convolutions, by the precision they are stored in.

    Args:
        model: An `openvino.Model`.
    """
    found: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Convolution":
            weights = node.input_value(1).get_node()
            # Between stored weights and a convolution are a conversion and a scale.
            while weights.get_type_name() in ("Convert", "Multiply", "Subtract"):
                weights = weights.input_value(0).get_node()
            kind = weights.get_element_type().get_type_name()
            found[_NAMES.get(kind, kind)] += math.prod(weights.get_output_shape(0))
    return dict(found)


def minify(xml: bytes) -> bytes:
    """Returns a graph's XML without indentation and without what a reader infers.

    That is shapes, and the types of inputs, which are those of the outputs they are connected to.
    """
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.text = element.tail = None
        for dim in element.findall("dim"):
            element.remove(dim)
    for port in root.iterfind("layers/layer/input/port"):
        port.attrib.pop("precision", None)
    return ElementTree.tostring(root)


def _share_constants(model: Any) -> None:
    """Lets all readers of equal constants read the same one."""
    known: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            kind, shape = node.get_element_type().get_type_name(), tuple(node.get_output_shape(0))
            first = known.setdefault((kind, shape, node.data.tobytes()), node)
            if first is not node:
                for target in node.output(0).get_target_inputs():
                    target.replace_source_output(first.output(0))


def _rename(model: Any) -> None:
    """Numbers the nodes: generated names count on through the process, and ONNX's are long."""
    for k, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            # The XML has the type next to the name anyway, and half of all nodes are constants.
            constant = node.get_type_name() == "Constant"
            node.set_friendly_name(str(k) if constant else f"{node.get_type_name()}_{k}")
            for output in node.outputs():
                # Outputs of the graph are found by name.
                if not any(
                    target.get_node().get_type_name() == "Result"
                    for target in output.get_target_inputs()
                ):
                    output.get_tensor().set_names(set())
