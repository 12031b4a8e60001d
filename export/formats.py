"""Which formats can be exported, as plain data, and the one function that exports any of them."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.core.manifest import Artifact
from unmask_sdk.core.optional_deps import require_packages
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.core.requirements import EXPORTERS as NEEDS
from unmask_sdk.errors import ConfigError
from unmask_sdk.training import weights_folder

from . import manifest

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Exporter:
    """What is known of an exporter without importing it.

    Attributes:
        name: Name of the format.
        module: Python module that converts and proves, a `pipeline.FormatModule`.
        suffix: End of the artifacts' file names.
        precisions: Precisions that it can write.
        requires: Packages that it imports.
        extra: Extra of unmask-sdk that brings them.
    """

    name: str
    module: str
    suffix: str
    precisions: tuple[str, ...]
    requires: tuple[str, ...]
    extra: str


EXPORTERS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter(
            name="onnx",
            module="unmask_sdk.export.onnx.exporter",
            suffix=".onnx",
            precisions=("fp32", "fp16", "int8"),
            requires=NEEDS["onnx"].modules,
            extra=NEEDS["onnx"].extra,
        ),
        Exporter(
            name="trt",
            module="unmask_sdk.export.trt.exporter",
            suffix="-trt.onnx",
            precisions=("fp16", "int8"),
            requires=NEEDS["trt"].modules,
            extra=NEEDS["trt"].extra,
        ),
        Exporter(
            name="coreml",
            module="unmask_sdk.export.coreml.exporter",
            suffix=".mlpackage",
            precisions=("fp32", "fp16", "w8", "w8a8"),
            requires=NEEDS["coreml"].modules,
            extra=NEEDS["coreml"].extra,
        ),
        Exporter(
            name="openvino",
            module="unmask_sdk.export.openvino.exporter",
            suffix="_openvino",
            precisions=("fp16", "int8"),
            requires=NEEDS["openvino"].modules,
            extra=NEEDS["openvino"].extra,
        ),
        Exporter(
            name="tflite",
            module="unmask_sdk.export.tflite.exporter",
            suffix=".tflite",
            precisions=("fp32", "fp16", "int8"),
            requires=NEEDS["tflite"].modules,
            extra=NEEDS["tflite"].extra,
        ),
    )
}

# These warn, when converters import them, of kernels for GPUs and of each other's versions.
_NOISY = ("torchao", "torch.utils._pytree")

# Precisions whose ranges come from a calibration set, or whose plan does.
CALIBRATED = ("int8", "w8", "w8a8")


def export(
    format: str,
    weights: Sequence[Path],
    folder: Path,
    *,
    precision: str = "fp32",
    calibration: Path | None = None,
    progress: Progress = lambda step: None,
) -> tuple[Artifact, ...]:
    """Exports networks to a format, and proves each against the reference.

    Args:
        format: A key of `EXPORTERS`.
        weights: Weight files (safetensors); the package's own if empty, in `int8` those of the
            unmaskers. Artifacts are named after them.
        folder: Where the files and `manifest.json` go. Entries that a manifest there holds
            already stay, unless they are exported again, or are of a name that is now exported
            from other weights.
        precision: Precision to write.
        calibration: Calibration set for the precisions in `CALIBRATED`; the package's own if None.
        progress: Called with a line of text as each step begins.

    Returns:
        The new manifest entries.

    Raises:
        ConfigError: If the format or precision is not known, or a weight file is missing.
        MissingDependencyError: If a package that the exporter needs is not installed.
        DataError: If a weight file is not valid.
        InvalidInputError: If the folder cannot be written to.
        ExportError: If the folder's manifest cannot be added to, the conversion fails, or the
            result is too far from the reference.
    """
    exporter = EXPORTERS.get(format)
    if exporter is None:
        raise ConfigError(f"unknown format {format!r}; known are {', '.join(EXPORTERS)}")
    if precision not in exporter.precisions:
        raise ConfigError(
            f"{format} can be exported in {', '.join(exporter.precisions)}, not in {precision!r} "
            f"in this version; use --precision {exporter.precisions[0]}"
        )
    check_writable_folder(folder, "--out")
    manifest.check(folder)
    if calibration is not None and precision not in CALIBRATED:
        raise ConfigError(
            f"a calibration set is for {', '.join(CALIBRATED)}, not for {precision}; leave it out"
        )
    require_packages(f"exporting {format}", *exporter.requires, extra=exporter.extra)
    files = list(weights) or fitting(shipped(), precision)
    for file in files:
        if not os.path.isfile(file):
            raise ConfigError(f"there is no weight file {file}; make one with `unmask train`")
    from . import pipeline

    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    module: Any = importlib.import_module(exporter.module)
    target = pipeline.Target(format, exporter.suffix, precision, folder, calibration)
    return pipeline.run(module, target, files, progress)


def shipped() -> list[Path]:
    """The package's own weight files.

    Raises:
        ConfigError: If there are none.
    """
    files = sorted(weights_folder().glob("*.safetensors"))
    if not files:
        raise ConfigError("the package holds no weights; give some with --weights FILE")
    return files


def fitting(weights: Sequence[Path], precision: str) -> list[Path]:
    """Those of the weight files whose networks are exported in a precision."""
    from unmask_sdk.training.nets.checkpoint import read_metadata

    from .roles import ROLES

    wanted = {role.name for role in ROLES.values() if precision in role.precisions}
    return [file for file in weights if read_metadata(file)[0] in wanted]
