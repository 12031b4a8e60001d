"""`unmask train-locator`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def train_locator(
    config: Annotated[Path, typer.Argument(help="YAML, such as training/configs/locator.yaml.")],
    faces: Annotated[Optional[Path], typer.Option(help="Folder of face pictures.")] = None,  # noqa: UP045
    landmarks: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Their meshes; default FACES/landmarks.npz."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option("-o", "--out", help="Folder to write.")] = None,  # noqa: UP045
    only: Annotated[Optional[str], typer.Option(help="detector or aligner; both if left.")] = None,  # noqa: UP045
    device: Annotated[Optional[str], typer.Option(help="cpu or cuda.")] = None,  # noqa: UP045
) -> None:
    """Train the networks that find faces; goes on where the last run in OUT stopped."""
    from ..packages import require

    require("unmask train-locator", "torch", "safetensors", "yaml", "skimage", extra="train")
    from ..errors import ConfigError
    from ..folders import check_writable
    from ..training.locator_train import read_config, train

    if faces is None or out is None:
        given = {"--faces FOLDER": faces, "--out FOLDER": out}
        absent = [flag for flag, value in given.items() if value is None]
        raise ConfigError(f"unmask train-locator needs {' and '.join(absent)}; add what is missing")
    check_writable(out, "--out")
    settings = read_config(
        config,
        faces=faces,
        landmarks=landmarks or faces / "landmarks.npz",
        out=out,
        device=device,
    )
    for kind, weights in train(settings, only=only).items():
        typer.echo(f"{kind}: {weights}")
