"""`unmask train-locator`: trains the networks that find faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_locator(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML, such as training/configs/locator.yaml.")
    ],
    faces: Annotated[
        Path | None, typer.Option(help="Folder of face images; required unless CONFIG names it.")
    ] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(help="Their face meshes; default FACES/landmarks.npz."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write; required unless CONFIG names it."),
    ] = None,
    only: Annotated[str | None, typer.Option(help="detector or aligner; both by default.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
) -> None:
    """Train the networks that find faces; continues where the last run in OUT stopped."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask train-locator")
    from unmask_sdk.training.locator.train import read_config, train

    settings = read_config(config, faces=faces, landmarks=landmarks, out=out, device=device)
    for kind, weights in train(settings, only=only).items():
        typer.echo(f"{kind}: {weights}")
