"""`unmask_sdk.export_model()`: networks in one format, or in all, with one report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.core.manifest import Artifact
from unmask_sdk.errors import ConfigError

from .all_formats import Exported, export_all
from .formats import EXPORTERS
from .run_export import export
from .weight_files import weights_of

ALL = "all"


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        folder: Where the files and `manifest.json` are.
        exports: Each new manifest entry, with the seconds that its format and precision took.
    """

    folder: Path
    exports: tuple[Exported, ...]

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The new manifest entries: file, digest, inputs, outputs, and error against PyTorch."""
        return tuple(exported.artifact for exported in self.exports)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data that `json.dumps` takes."""
        return {
            "folder": str(self.folder),
            "exports": [asdict(exported) for exported in self.exports],
        }


def export_model(
    format: str,
    precision: str | None = None,
    *,
    models: Sequence[str] = (),
    weights: Sequence[str | os.PathLike[str]] = (),
    out: str | os.PathLike[str] = "artifacts",
    calibration: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> ExportReport:
    """Converts networks to a format, proves the files against PyTorch, and writes a manifest.

    `unmask_sdk.load(artifacts=out)` opens the result. Needs the extra `export`, for TFLite
    `export-tflite`.

    Args:
        format: `onnx`, `trt`, `coreml`, `openvino` or `tflite`; or `all`, in all precisions.
        precision: Precision to write, such as `fp16` or `int8`; None is the format's first.
        models: Names of networks of the package, such as `unmask-256-lite`.
        weights: Weight files (safetensors) of other networks. Without names and files: all networks
            of the package that have the precision.
        out: Folder to write to. Entries of a manifest there stay, unless they are exported again.
        calibration: For precisions with 8 bits: a set from `unmask calibrate`; the package's own
            by default.
        progress: Called as each step begins: with a line of text, the number of exports done, and
            their total number.

    Returns:
        A report with the new manifest entries.

    Raises:
        ConfigError: If the format or precision is not known, or a weight file is missing.
        MissingDependencyError: If a package that the exporter needs is not installed.
        DataError: If a weight file or the calibration set is not valid.
        InvalidInputError: If the folder cannot be written to.
        ExportError: If the folder's manifest cannot be read, the conversion fails, or the result
            is too far from PyTorch's.
    """
    tell = progress or (lambda step, done, total: None)
    files = [*map(Path, weights), *weights_of(models)]
    folder = Path(out)
    own = None if calibration is None else Path(calibration)
    if format == ALL:
        if precision is not None:
            raise ConfigError("all also means every precision; leave precision (--precision) out")
        made = export_all(files, folder, calibration=own, progress=tell)
        return ExportReport(folder, tuple(made))
    known = EXPORTERS.get(format)
    start = time.monotonic()
    artifacts = export(
        format,
        files,
        folder,
        # The export refuses an unknown format, whatever the precision.
        precision=precision or (known.precisions[0] if known else ""),
        calibration=own,
        progress=lambda step: tell(step, 0, 1),
    )
    seconds = time.monotonic() - start
    return ExportReport(folder, tuple(Exported(artifact, seconds) for artifact in artifacts))
