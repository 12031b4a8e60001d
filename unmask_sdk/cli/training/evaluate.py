"""`unmask evaluate`: measures quality on faces that training has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    faces: Annotated[Path, typer.Argument(metavar="FACES", help="Folder of face images.")],
    landmarks: Annotated[
        Path | None, typer.Option(help="Their face meshes; default FACES/landmarks.npz.")
    ] = None,
    mesh: Annotated[
        Path | None,
        typer.Option(help="MediaPipe's face_landmark.tflite, to compute the meshes with."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weight file; the package's own by default.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: other weights to compare with. May be repeated."),
    ] = None,
    sface: Annotated[
        Path | None,
        typer.Option(
            help="SFace's ONNX file, to measure identity (training/evaluation/recognition.py)."
        ),
    ] = None,
    perceptual: Annotated[
        bool,
        typer.Option(
            help="Measure perceptual distance (training/evaluation/perceptual_distance.py)."
        ),
    ] = False,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos of people with real masks.")
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            help="Only faces of this data set: a folder in FACES, such as sharp or "
            "sharp/london_ccby. May be repeated."
        ),
    ] = None,
    all_types: Annotated[
        bool,
        typer.Option(
            "--all-types",
            help="Draw masks of all five types on each face, five times the work; by default each "
            "face gets one, the types in turn.",
        ),
    ] = False,
    split: Annotated[str, typer.Option(help="Split of the landmark file to use.")] = "val",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of faces.")] = 500,
    report: Annotated[Path | None, typer.Option(help="Folder for tables and images.")] = None,
) -> None:
    """Measure KID, sharpness, PSNR, SSIM, seams, mask IoU and identity; compare with others."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask evaluate")
    if report is not None:
        check_command("unmask evaluate --report")
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.errors import DataError, InvalidInputError
    from unmask_sdk.faces.align import CROP_SIZE
    from unmask_sdk.training import shipped_weights
    from unmask_sdk.training.datasets.find_faces import find_faces
    from unmask_sdk.training.datasets.selection import select_faces
    from unmask_sdk.training.evaluation.evaluate import OURS, run_graph
    from unmask_sdk.training.evaluation.evaluate import evaluate as run
    from unmask_sdk.training.evaluation.groups import choose_corpora
    from unmask_sdk.training.evaluation.kid import FaceFeatures
    from unmask_sdk.training.evaluation.perceptual_distance import PerceptualDistance
    from unmask_sdk.training.evaluation.real_photos import real_photos
    from unmask_sdk.training.evaluation.recognition import FaceRecognizer
    from unmask_sdk.training.evaluation.report import summarize, write_report
    from unmask_sdk.training.nets.checkpoint import load_unmasker

    if report is not None:
        check_writable_folder(report, "--report")
    files = {OURS: weights or shipped_weights("unmask-256")}
    for pair in against or []:
        name, separator, file = pair.partition("=")
        if not separator or not name or name in files:
            raise InvalidInputError(f"--against takes NAME=FILE, each name once; got {pair!r}")
        files[name] = Path(file)
    graphs = {name: load_unmasker(path) for name, path in files.items()}
    sizes = {graph.unmasker.config.size for graph in graphs.values()}
    if len(sizes) > 1:
        raise InvalidInputError(f"weights of different sizes cannot be compared: {sorted(sizes)}")
    recognizer = FaceRecognizer(sface) if sface else None
    distance = PerceptualDistance() if perceptual else None
    found = find_faces(faces, landmarks, mesh)
    if corpus:
        found = choose_corpora(found, corpus)
    chosen = select_faces(found, split=split, limit=limit)
    if not chosen:
        splits = ", ".join(sorted({face.split for face in found}))
        raise DataError(f"no face in split {split!r}; this set has: {splits}. Pass --split")
    if photos and sizes != {CROP_SIZE}:
        raise InvalidInputError(
            f"--photos takes networks of {CROP_SIZE} px, these are of {sizes.pop()}; leave it out"
        )
    features = FaceFeatures()
    seen = real_photos(photos, run_graph(graphs[OURS]), features) if photos else None
    scores = run(
        faces,
        chosen,
        graphs,
        sizes.pop(),
        all_types=all_types,
        pool=select_faces(found, split=split),
        recognizer=recognizer,
        distance=distance,
        features=features,
    )
    text = summarize(scores, seen)
    typer.echo(text)
    if report is not None:
        write_report(report, text, scores, seen)
        typer.echo(f"report: {report}")
