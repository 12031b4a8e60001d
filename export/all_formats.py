"""`unmask export all`: every format in every precision, with a table and an image of the results.

Missing packages are reported before any work. A format that fails ends the run with its error;
the artifacts that were finished before it stay in the folder.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from unmask_sdk.calibration.calibration_set import CalibrationSet
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.optional_deps import install_command, missing_message, missing_packages
from unmask_sdk.errors import MissingDependencyError

from . import manifest
from .formats import CALIBRATED, EXPORTERS
from .job import FormatModule
from .run_export import Conversions, Exporter
from .weight_files import packaged_weights, with_precision

SUMMARY_TABLE, SUMMARY_IMAGE = "artifacts.md", "artifacts.jpg"
FACES = 4
_LABEL_HEIGHT = 24


@dataclass(frozen=True)
class Exported:
    """An artifact, and the seconds that exporting its format and precision took."""

    artifact: Artifact
    seconds: float


def check_packages() -> None:
    """Checks that the packages of all formats are installed.

    Raises:
        MissingDependencyError: Naming all that are missing, and the command that installs them.
    """
    absent = {
        name: exporter.extra
        for exporter in EXPORTERS.values()
        for name in missing_packages(exporter.requires)
    }
    if absent:
        extras = ",".join(dict.fromkeys(absent.values()))
        raise MissingDependencyError(
            f"{missing_message('exporting all formats', list(absent))}; "
            f"{install_command(extras)}, or export formats one by one"
        )


def export_all(
    weights: Sequence[Path],
    folder: Path,
    *,
    calibration: Path | None = None,
    progress: Callable[[str, int, int], object] = lambda step, done, total: None,
) -> list[Exported]:
    """Exports every format in every precision; see `pipeline.export` for the errors.

    Args:
        weights: Weight files; the package's own if empty. Networks that cannot be exported in a
            precision are left out there.
        folder: Where the files go; `artifacts.md` and `artifacts.jpg` are written there too.
        calibration: Calibration set for the precisions that take one; the package's own if `None`.
        progress: Called with a line of text, the number of exports done, and their total number.
    """
    check_packages()
    files = list(weights) or packaged_weights()
    # A precision that none of the networks has is left out.
    plan = [
        (name, precision, suitable)
        for name, exporter in EXPORTERS.items()
        for precision in exporter.precisions
        if (suitable := with_precision(files, precision))
    ]
    packaged = CalibrationSet()
    own = packaged if calibration is None else CalibrationSet(calibration)
    results: list[Exported] = []
    conversions: Conversions = {}
    for done, (name, precision, suitable) in enumerate(plan):
        start = time.monotonic()

        def report(step: str, done: int = done, what: str = f"{name} {precision}") -> None:
            progress(f"{what}: {step}", done, len(plan))

        used = own if precision in CALIBRATED else packaged
        new = Exporter.of(name, precision).run(suitable, folder, used, report, conversions)
        seconds = time.monotonic() - start
        results += [Exported(artifact, seconds) for artifact in new if artifact.format == name]
    progress("comparison image", len(plan), len(plan))
    _, encoded = cv2.imencode(".jpg", comparison_image(folder, packaged)[..., ::-1])
    summary = {
        SUMMARY_TABLE: f"{table(results)}\n".encode(),
        SUMMARY_IMAGE: encoded.tobytes(),
    }
    manifest.write(folder, read_manifest(folder).artifacts, summary)
    return results


def table(results: Sequence[Exported]) -> str:
    """Returns a Markdown table of the exported artifacts: size, error, PSNR and seconds."""
    lines = [
        "| network | format | precision | MB | largest error | PSNR to torch, dB | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in results:
        artifact = entry.artifact
        levels = [p.psnr_db for p in artifact.parity if p.psnr_db is not None]
        largest = max(p.max_abs for p in artifact.parity)
        lines.append(
            f"| {artifact.name} | {artifact.format} | {artifact.precision} "
            f"| {artifact.total_bytes / 1e6:.2f} | {largest:.3g} "
            f"| {f'{min(levels):.1f}' if levels else 'identical'} | {entry.seconds:.0f} |"
        )
    return "\n".join(lines)


def comparison_image(folder: Path, calibration: CalibrationSet) -> UInt8Array:
    """Returns the same faces through every exported unmasker of a folder, one row each.

    Args:
        folder: Folder with a `manifest.json`.
        calibration: Set whose first `FACES` crops are shown.

    Returns:
        uint8 `[H, W, 3]` RGB; the first row holds the inputs.
    """
    listed = read_manifest(folder)
    rows: list[UInt8Array] = []
    for artifact in listed.artifacts:
        if artifact.role != "unmasker" or artifact.format not in EXPORTERS:
            continue
        faces = calibration.load().at(artifact.inputs[0].shape[1] or 256)[:FACES]
        rows = rows or [_row("input", faces)]
        module = cast(FormatModule, importlib.import_module(EXPORTERS[artifact.format].module))
        with module.open_converted(listed.path(artifact), artifact) as runtime:
            unmasked, _ = runtime.run(faces)
        rows.append(_row(f"{artifact.name} {artifact.format} {artifact.precision}", unmasked))
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])


def _row(label: str, faces: UInt8Array) -> UInt8Array:
    """Returns faces side by side under a label."""
    row = np.hstack(list(faces))
    strip = np.zeros((_LABEL_HEIGHT, row.shape[1], 3), np.uint8)
    place = (4, _LABEL_HEIGHT - 7)
    cv2.putText(strip, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA)
    return np.vstack([strip, row])
