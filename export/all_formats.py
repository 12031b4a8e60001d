"""`unmask export all`: every format in every precision, a table of what came of it, and a picture.

What is missing is found out before any work. A format that fails ends the run with its error; what
was finished before it lies in the folder, whole.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.calibration.images import read_images
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.optional_deps import install_command, missing_packages
from unmask_sdk.errors import MissingDependencyError

from . import manifest
from .formats import CALIBRATED, EXPORTERS, export, fitting, shipped

TABLE, PICTURE = "artifacts.md", "artifacts.jpg"
FACES = 4
_LABEL_HEIGHT = 24


@dataclass(frozen=True)
class Made:
    """An artifact, and the seconds in which its format and precision were exported."""

    artifact: Artifact
    seconds: float


def check_packages() -> None:
    """Refuses to begin where a package of any format is missing.

    Raises:
        MissingDependencyError: Naming all that is missing, and the command that brings it.
    """
    absent = {
        name: exporter.extra
        for exporter in EXPORTERS.values()
        for name in missing_packages(exporter.requires)
    }
    if absent:
        extras = ",".join(dict.fromkeys(absent.values()))
        raise MissingDependencyError(
            f"exporting all formats needs {', '.join(absent)}, which are not installed; "
            f"{install_command(extras)}, or export formats one by one"
        )


def export_all(
    weights: Sequence[Path],
    folder: Path,
    *,
    calibration: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> list[Made]:
    """Exports everything; see `formats.export` for arguments and errors.

    Args:
        weights: As there; in precisions that the locator's networks do not have, they are left out.
        folder: As there. `artifacts.md` and `artifacts.jpg` are written beside the manifest.
        calibration: As there, for the precisions that take one.
        progress: Called with a line of text, the number of exports done, and of all.
    """
    check_packages()
    files = list(weights) or shipped()
    # Without a network that has the precision there is nothing to export in it.
    plan = [
        (exporter.name, precision, fit)
        for exporter in EXPORTERS.values()
        for precision in exporter.precisions
        if (fit := fitting(files, precision))
    ]
    made: list[Made] = []
    for done, (name, precision, fit) in enumerate(plan):
        start = time.monotonic()

        def tell(step: str, done: int = done, what: str = f"{name} {precision}") -> None:
            progress(f"{what}: {step}", done, len(plan))

        new = export(
            name,
            fit,
            folder,
            precision=precision,
            calibration=calibration if precision in CALIBRATED else None,
            progress=tell,
        )
        seconds = time.monotonic() - start
        made += [Made(artifact, seconds) for artifact in new if artifact.format == name]
    progress("pictures", len(plan), len(plan))
    _, encoded = cv2.imencode(".jpg", pictures(folder)[..., ::-1])
    summary = {TABLE: f"{table(made)}\n".encode(), PICTURE: encoded.tobytes()}
    manifest.write(folder, read_manifest(folder).artifacts, summary)
    return made


def table(made: Sequence[Made]) -> str:
    """The summary as a Markdown table: format, precision, MB, parity, seconds."""
    lines = [
        "| network | format | precision | MB | largest error | PSNR to torch, dB | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in made:
        artifact = entry.artifact
        levels = [p.psnr_db for p in artifact.parity if p.psnr_db is not None]
        largest = max(p.max_abs for p in artifact.parity)
        lines.append(
            f"| {artifact.name} | {artifact.format} | {artifact.precision} "
            f"| {artifact.bytes / 1e6:.2f} | {largest:.3g} "
            f"| {f'{min(levels):.1f}' if levels else 'identical'} | {entry.seconds:.0f} |"
        )
    return "\n".join(lines)


def pictures(folder: Path) -> UInt8Array:
    """The same faces through every exported unmasker of a folder, a row for each artifact."""
    listed = read_manifest(folder)
    rows: list[UInt8Array] = []
    for artifact in listed.artifacts:
        if artifact.role != "unmasker" or artifact.format not in EXPORTERS:
            continue
        side = artifact.inputs[0].shape[1]
        faces = read_images().at(side or 256)[:FACES]
        rows = rows or [_row("input", faces)]
        module = importlib.import_module(EXPORTERS[artifact.format].module)
        with module.prove(listed.path(artifact), artifact) as runtime:
            unmasked, _ = runtime.run(faces)
        rows.append(_row(f"{artifact.name} {artifact.format} {artifact.precision}", unmasked))
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])


def _row(label: str, faces: UInt8Array) -> UInt8Array:
    row = np.hstack(list(faces))
    strip = np.zeros((_LABEL_HEIGHT, row.shape[1], 3), np.uint8)
    place = (4, _LABEL_HEIGHT - 7)
    cv2.putText(strip, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA)
    return np.vstack([strip, row])
