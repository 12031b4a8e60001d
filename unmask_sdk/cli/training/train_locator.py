"""`unmask train-locator`: trains the networks that find faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def train_locator(
    config: Annotated[Path, typer.Argument(help="YAML, such as training/configs/locator.yaml.")],
    faces: Annotated[Optional[Path], typer.Option(help="Folder of face images.")] = None,  # noqa: UP045
    landmarks: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Their face meshes; default FACES/landmarks.npz."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option("-o", "--out", help="Folder to write.")] = None,  # noqa: UP045
    only: Annotated[
        Optional[str], typer.Option(help="detector or aligner; both by default.")
    ] = None,  # noqa: UP045
    device: Annotated[Optional[str], typer.Option(help="cpu or cuda.")] = None,  # noqa: UP045
) -> None:
    """Train the networks that find faces; continues where the last run in OUT stopped."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask train-locator")
    from unmask_sdk.training.locator.train import read_config, train

    settings = read_config(config, faces=faces, landmarks=landmarks, out=out, device=device)
    for kind, weights in train(settings, only=only).items():
        typer.echo(f"{kind}: {weights}")
