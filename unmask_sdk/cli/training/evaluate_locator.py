"""`unmask evaluate-locator`: measures how well faces are found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def evaluate_locator(
    faces: Annotated[Path, typer.Option(help="Folder of face images.")],
    landmarks: Annotated[Path, typer.Option(help="Their meshes and splits: landmarks.npz.")],
    weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of detector.safetensors and aligner.safetensors."),
    ] = None,
    photos: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of photos with at least one face each."),
    ] = None,
    limit: Annotated[
        int, typer.Option(help="Maximum number of faces from each source.", min=1)
    ] = 100,
) -> None:
    """Measure how many faces are found, and how accurately; prints Markdown."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask evaluate-locator")
    from unmask_sdk.training import weights_folder
    from unmask_sdk.training.locator.evaluate import evaluate

    folder = weights or weights_folder()
    typer.echo(evaluate(folder, faces, landmarks, photos=photos, limit=limit))
