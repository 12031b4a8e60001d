"""`unmask release`: refreshes artifacts, example images and the numbers in the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask_sdk.core.atomic_write import atomic_write

# Side of the crops of the unmaskers that come with the package.
SIZE = 256
LITE = "ours, lite"


def release(
    faces: Annotated[
        Path, typer.Argument(metavar="FACES", help="Folder of face images and landmarks.npz.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="New weights of the unmasker; the clone's if left out.")
    ] = None,
    lite_weights: Annotated[
        Path | None, typer.Option(help="New weights of the lite one; the clone's if left out.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The clone to refresh.")] = Path("."),
    sface: Annotated[
        Path | None, typer.Option(help="SFace's ONNX file, to measure identity.")
    ] = None,
    perceptual: Annotated[bool, typer.Option(help="Also measure perceptual distance.")] = False,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos of people with real masks.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of faces to evaluate.")] = 500,
    report: Annotated[
        Path | None, typer.Option(help="Folder for the evaluation's tables and images.")
    ] = None,
) -> None:
    """Refresh weights, artifacts, example images and the numbers of the documents in a clone.

    If any step fails, the clone is left unchanged.
    """
    from unmask_sdk.core.requirements import check_command

    check_command("unmask release")
    from unmask_sdk.benchmarks.documented_sizes import install_sizes
    from unmask_sdk.cli.media.image import image
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.errors import DataError, InvalidInputError
    from unmask_sdk.export.release import (
        check_root,
        export_shipped,
        measure_speed,
        sizes,
        undone_on_failure,
        write_documents,
    )
    from unmask_sdk.export.weight_files import packaged_weights
    from unmask_sdk.training.datasets.landmark_file import read_landmarks
    from unmask_sdk.training.datasets.selection import select_faces
    from unmask_sdk.training.evaluation.evaluate import OURS, evaluate, run_graph
    from unmask_sdk.training.evaluation.kid import FaceFeatures
    from unmask_sdk.training.evaluation.perceptual_distance import PerceptualDistance
    from unmask_sdk.training.evaluation.real_photos import real_photos
    from unmask_sdk.training.evaluation.recognition import FaceRecognizer
    from unmask_sdk.training.evaluation.report import headline, summarize, write_report
    from unmask_sdk.training.nets.checkpoint import load_unmasker

    check_root(root)
    if report is not None:
        check_writable_folder(report, "--report")
    artifacts = root / "unmask_sdk" / "artifacts"
    models = [
        (method, artifacts / f"{name}.safetensors", given)
        for method, name, given in (
            (OURS, f"unmask-{SIZE}", weights),
            (LITE, f"unmask-{SIZE}-lite", lite_weights),
        )
    ]
    models = [(m, kept, given) for m, kept, given in models if given or kept.exists()]
    graphs = {method: load_unmasker(given or kept) for method, kept, given in models}
    for method, kept, given in models:
        size = graphs[method].unmasker.config.size
        if size != SIZE:
            raise InvalidInputError(
                f"{given or kept} works at {size} px; a release takes unmaskers of {SIZE} px, "
                f"made by `unmask train training/configs/{kept.stem}.yaml`"
            )
    pool = select_faces(read_landmarks(faces / "landmarks.npz"), split="val")
    chosen = select_faces(pool, split="val", limit=limit)
    if not chosen:
        raise DataError(f"{faces / 'landmarks.npz'} has no face in the split 'val'")
    recognizer = FaceRecognizer(sface) if sface else None
    distance = PerceptualDistance() if perceptual else None

    pictures = root / "docs" / "before-after"
    with undone_on_failure(artifacts, pictures):
        for _, kept, given in models:
            if given is not None:
                atomic_write(kept, given.read_bytes())
        made = export_shipped(
            packaged_weights(),
            artifacts,
            lambda step: typer.echo(f"export: {step}"),
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
        features = FaceFeatures()
        seen = real_photos(photos, run_graph(graphs[OURS]), features) if photos else None
        found = evaluate(
            faces,
            chosen,
            graphs,
            SIZE,
            pool=pool,
            recognizer=recognizer,
            distance=distance,
            features=features,
        )
        text = summarize(found, seen)
        if report is not None:
            write_report(report, text, found, seen)
        blocks = {
            "sizes": sizes({kept.stem: graphs[m] for m, kept, _ in models}, made),
            "install": install_sizes(root),
            "speed": speed,
            "quality": text,
        }
        write_documents(root, {**blocks, "headline": headline(found)})
    typer.echo(text)
