"""`unmask synth`: creates a Masked-Faces set from a folder of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synth(
    faces: Annotated[
        Path, typer.Argument(metavar="FACES", help="Folder of images, one face each.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    landmarks: Annotated[
        Path | None, typer.Option(help="Their face meshes; default FACES/landmarks.npz.")
    ] = None,
    mesh: Annotated[
        Path | None,
        typer.Option(help="MediaPipe's face_landmark.tflite, to compute the meshes with."),
    ] = None,
    types: Annotated[
        str, typer.Option(help="Mask types, separated by commas.")
    ] = "surgical,cloth,n95,dark,scarf",
    variants: Annotated[int, typer.Option(min=1, help="Number of masks for each face.")] = 1,
    size: Annotated[int, typer.Option(help="Side of the crops in pixels, 32 to 2048.")] = 256,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of faces; with --mesh, of images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same masks.")] = 0,
) -> None:
    """Put synthetic masks on faces: images, masks, ground truth, pairs.jsonl, contact sheet."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask synth")
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.training.datasets.find_faces import find_faces
    from unmask_sdk.training.datasets.synth_set import check_options
    from unmask_sdk.training.datasets.synth_set import write_synth_set as run

    check_writable_folder(out, "--out")
    kinds = tuple(kind.strip() for kind in types.split(","))
    check_options(faces, out, kinds, variants, size)
    found = find_faces(faces, landmarks, mesh, skip=out, limit=limit)
    count = run(faces, found, out, kinds=kinds, variants=variants, seed=seed, size=size)
    typer.echo(f"{count} pairs in {out}; see {out / 'sheet.jpg'}")
