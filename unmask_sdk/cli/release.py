"""`unmask release`: weights to artifacts, pictures and every number in the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NEEDS = (
    "torch",
    "safetensors",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "skimage",
    "matplotlib",
    "pytest_benchmark",
)
# Side of the crops of the unmasker that comes with the package.
SIZE = 256


def release(
    faces: Annotated[Path, typer.Argument(help="Folder of face pictures and landmarks.npz.")],
    weights: Annotated[
        Path | None, typer.Option(help="New weights of the unmasker; the clone's if left out.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The clone to refresh.")] = Path("."),
    sface: Annotated[
        Path | None, typer.Option(help="SFace's ONNX file, to judge identity.")
    ] = None,
    perceptual: Annotated[bool, typer.Option(help="Judge perceptual distance too.")] = False,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos of really masked people.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Evaluate at most so many faces.")] = 500,
    report: Annotated[
        Path | None, typer.Option(help="Folder for the evaluation's tables and pictures.")
    ] = None,
) -> None:
    """Refresh weights, artifacts, example pictures and the documents' numbers in a clone.

    If any of it fails, the clone is left as it was.
    """
    import os

    from ..packages import require

    require("unmask release", *NEEDS, extra="dev")
    from ..errors import DataError, InvalidInputError
    from ..export.formats import export
    from ..export.release import (
        check_root,
        measure_speed,
        sizes,
        undone_on_failure,
        write_documents,
    )
    from ..folders import check_writable
    from ..training.checkpoint import load_unmasker
    from ..training.data import read_landmarks, select
    from ..training.evaluate import OURS, evaluate, run_graph
    from ..training.perceptual_distance import PerceptualDistance
    from ..training.real_photos import real_photos
    from ..training.recognition import Recogniser
    from ..training.report import headline, summarise, write_report
    from .image import image

    check_root(root)
    if report is not None:
        check_writable(report, "--report")
    stored = root / "training" / "weights"
    kept = stored / f"unmask-{SIZE}.safetensors"
    graph = load_unmasker(weights or kept)
    size = graph.unmasker.config.size
    if size != SIZE:
        raise InvalidInputError(
            f"{weights or kept} works at {size} px; a release takes an unmasker of {SIZE} px, "
            "made by `unmask train training/configs/unmask-256.yaml`"
        )
    pool = select(read_landmarks(faces / "landmarks.npz"), split="val")
    chosen = select(pool, split="val", limit=limit)
    if not chosen:
        raise DataError(f"{faces / 'landmarks.npz'} has no face in the split 'val'")
    recogniser = Recogniser(sface) if sface else None
    distance = PerceptualDistance() if perceptual else None

    artifacts = root / "unmask_sdk" / "artifacts"
    pictures = root / "docs" / "before-after"
    with undone_on_failure(stored, artifacts, pictures):
        if weights is not None:
            temporary = kept.with_suffix(".tmp")
            temporary.write_bytes(weights.read_bytes())
            os.replace(temporary, kept)
        made = export(
            "onnx",
            sorted(stored.glob("*.safetensors")),
            artifacts,
            progress=lambda step: typer.echo(f"export: {step}"),
        )
        image(
            sorted((root / "examples").glob("*.jpg")),
            pictures,
            runtime="onnx",
            precision="fp32",
            artifacts=artifacts,
            side_by_side=True,
        )
        typer.echo("measuring speed")
        speed = measure_speed(root)
        seen = real_photos(photos, run_graph(graph)) if photos else None
        found = evaluate(
            faces, chosen, {OURS: graph}, size, pool=pool, recogniser=recogniser, distance=distance
        )
        text = summarise(found, seen)
        if report is not None:
            write_report(report, text, found, seen)
        blocks = {"sizes": sizes(graph, made), "speed": speed, "quality": text}
        write_documents(root, {**blocks, "headline": headline(found)})
    typer.echo(text)
