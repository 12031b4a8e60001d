"""OpenVINO IR: a folder with `model.xml` and `model.bin`, made from our ONNX file.

In fp16 the weights are stored as float16 and the arithmetic stays float32; int8 is that of the ONNX
file.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from unmask_sdk.errors import ExportError
from unmask_sdk.export import onnx
from unmask_sdk.export.pipeline import Converted, Job
from unmask_sdk.export.precision import MIN_INT8_SHARE
from unmask_sdk.manifest import Artifact
from unmask_sdk.runtimes.base import one_line
from unmask_sdk.runtimes.openvino import MODEL, OpenVINORuntime

_NAMES = {"f32": "fp32", "f16": "fp16", "i8": "int8"}


def convert(job: Job) -> Converted:
    """Converts a network; see `pipeline.FormatModule`."""
    # After the runtime's module, which keeps OpenVINO from reporting to its makers.
    import openvino as ov

    source = "int8" if job.precision == "int8" else "fp32"
    made = onnx.convert(replace(job, precision=source))
    with tempfile.TemporaryDirectory(prefix="unmask-openvino-") as folder:
        path = Path(folder) / MODEL
        core = ov.Core()
        try:
            model = ov.convert_model(io.BytesIO(cast(bytes, made.content)))
            # Made-up names count on through the process.
            for k, node in enumerate(model.get_ordered_ops()):
                if node.get_type_name() not in ("Parameter", "Result"):
                    node.set_friendly_name(f"{node.get_type_name()}_{k}")
            ov.save_model(model, path, compress_to_fp16=True)
            got = achieved(core.read_model(path))
        except RuntimeError as error:
            raise ExportError(f"OpenVINO could not convert: {one_line(error)}") from error
        if got != job.precision:
            raise ExportError(
                f"asked for {job.precision}, the exported file is {got}; nothing was written"
            )
        files = {file.name: file.read_bytes() for file in (path, path.with_suffix(".bin"))}
    return replace(made, content=files, tools=(*made.tools, "openvino"))


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
