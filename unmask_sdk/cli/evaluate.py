"""`unmask evaluate`: quality on faces that training has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    faces: Annotated[Path, typer.Argument(help="Folder of face pictures.")],
    landmarks: Annotated[
        Path | None, typer.Option(help="Their meshes; default FACES/landmarks.npz.")
    ] = None,
    mesh: Annotated[
        Path | None,
        typer.Option(help="MediaPipe's face_landmark.tflite, to make the meshes with."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weight file; the shipped one if left out.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the landmark file to use.")] = "val",
    limit: Annotated[int, typer.Option(min=1, help="Use at most so many faces.")] = 500,
    report: Annotated[Path | None, typer.Option(help="Folder for tables and pictures.")] = None,
) -> None:
    """Measure mask IoU, PSNR, SSIM, L1 beside the masked input and OpenCV's Telea."""
    from rich.console import Console
    from rich.markdown import Markdown

    from ..errors import DataError, InvalidInputError
    from ..training import shipped_weights
    from ..training.checkpoint import load_network
    from ..training.data import select
    from ..training.evaluate import evaluate as run
    from ..training.evaluate import summarise, write_report
    from ..training.networks import UnmaskerGraph
    from ..training.synth_set import find_faces

    graph = load_network(weights or shipped_weights("unmask-256"))
    if not isinstance(graph, UnmaskerGraph):
        raise InvalidInputError(f"{weights} holds no unmasker; evaluate is for unmasker weights")
    found = find_faces(faces, landmarks, mesh)
    chosen = select(found, split=split, limit=limit)
    if not chosen:
        splits = ", ".join(sorted({face.split for face in found}))
        raise DataError(f"no face in split {split!r}; this set has: {splits}. Pass --split")
    scores, bare, rows = run(faces, chosen, graph, graph.unmasker.config.size)
    text = summarise(scores, bare, lambda name: name.split("/")[0] if "/" in name else "faces")
    Console().print(Markdown(text))
    if report is not None:
        write_report(report, text, scores, bare, rows)
        typer.echo(f"report: {report}")
