"""`unmask train`: trains the unmasker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML, e.g. training/configs/unmask-256.yaml.")
    ],
    faces: Annotated[Path, typer.Option(help="Folder of face images.")],
    run: Annotated[Path, typer.Option(help="Folder of this run; continues where it stopped.")],
    landmarks: Annotated[
        Path | None, typer.Option(help="Their face meshes; default FACES/landmarks.npz.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    workers: Annotated[
        int,
        typer.Option(
            min=1, help="Processes that draw masks; with 2 or more, they go on during training."
        ),
    ] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of faces.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Stop and save after this time; the same command continues."),
    ] = None,
    wait_for_crops: Annotated[
        bool,
        typer.Option(
            "--wait-for-crops", help="Render all face crops first, to repeat a run exactly."
        ),
    ] = False,
    start: Annotated[
        str | None, typer.Option(help="Weight file to start from, instead of random weights.")
    ] = None,
    start_discriminator: Annotated[
        str | None, typer.Option(help="Discriminator to start from, of the run that gave --start.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Weights of the larger unmasker that a small one is distilled from."),
    ] = None,
    perceptual_weights: Annotated[
        str | None, typer.Option(help="VGG16 weights (see training/unmasker/perceptual_loss.py).")
    ] = None,
    identity_weights: Annotated[
        str | None,
        typer.Option(help="Folder of dlib's weights (training/unmasker/identity_loss.py)."),
    ] = None,
    selfie_model: Annotated[
        str | None,
        typer.Option(help="MediaPipe's selfie_segmentation.tflite, to exchange backgrounds."),
    ] = None,
) -> None:
    """Train the unmasker; weights, metrics.jsonl and sample sheets go to the run folder.

    The face crops are cached there, with two masks each: 0.2 MB of disk per face at 128 px,
    0.8 MB at 256 px. An interrupted run goes on where it stopped, with the crops too.
    """
    from unmask_sdk.core.requirements import check_command

    check_command("unmask train")
    import cv2
    import torch

    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.training.unmasker.config import read_config
    from unmask_sdk.training.unmasker.train import train as run_training

    check_writable_folder(run, "--run")
    settings = read_config(
        config,
        limit=limit,
        start=start,
        start_discriminator=start_discriminator,
        teacher=teacher,
        perceptual_weights=perceptual_weights,
        identity_weights=identity_weights,
        selfie_model=selfie_model,
    )
    if settings.perceptual_weights is not None:
        check_command("unmask train --perceptual-weights")
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    weights = run_training(
        settings,
        faces=faces,
        landmarks=landmarks or faces / "landmarks.npz",
        run=run,
        device=device,
        workers=workers,
        minutes=minutes,
        wait_for_crops=wait_for_crops,
    )
    typer.echo(f"weights: {weights}")
