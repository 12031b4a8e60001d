"""The formats that networks can be exported to, as plain data: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unmask_sdk.core.requirements import EXPORTERS as NEEDS


@dataclass(frozen=True)
class ExportFormat:
    """What is known of a format without importing its exporter.

    Attributes:
        name: Name of the format.
        module: Python module of the exporter, a `job.FormatModule`.
        suffix: End of the artifacts' file names.
        precisions: Precisions that it can be written in; the first is the default.
        requires: Packages that the exporter imports.
        extra: Extra of unmask-sdk that installs them.
    """

    name: str
    module: str
    suffix: str
    precisions: tuple[str, ...]
    requires: tuple[str, ...]
    extra: str


# Frozen: a format is added here, and nowhere at run time.
EXPORTERS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        exporter.name: exporter
        for exporter in (
            ExportFormat(
                name="onnx",
                module="unmask_sdk.export.onnx.exporter",
                suffix=".onnx",
                precisions=("fp32", "fp16", "int8"),
                requires=NEEDS["onnx"].modules,
                extra=NEEDS["onnx"].extra,
            ),
            ExportFormat(
                name="trt",
                module="unmask_sdk.export.trt.exporter",
                suffix="-trt.onnx",
                precisions=("fp16", "int8"),
                requires=NEEDS["trt"].modules,
                extra=NEEDS["trt"].extra,
            ),
            ExportFormat(
                name="coreml",
                module="unmask_sdk.export.coreml.exporter",
                suffix=".mlpackage",
                precisions=("fp32", "fp16", "w8", "w8a8"),
                requires=NEEDS["coreml"].modules,
                extra=NEEDS["coreml"].extra,
            ),
            ExportFormat(
                name="openvino",
                module="unmask_sdk.export.openvino.exporter",
                suffix="_openvino",
                precisions=("fp16", "int8"),
                requires=NEEDS["openvino"].modules,
                extra=NEEDS["openvino"].extra,
            ),
            ExportFormat(
                name="tflite",
                module="unmask_sdk.export.tflite.exporter",
                suffix=".tflite",
                precisions=("fp32", "fp16", "int8"),
                requires=NEEDS["tflite"].modules,
                extra=NEEDS["tflite"].extra,
            ),
        )
    }
)

# Precisions that take ranges, or the plan of which layers stay in float, from a calibration set.
CALIBRATED = ("int8", "w8", "w8a8")
