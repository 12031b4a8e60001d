"""`unmask video`: a video in, the video without masks out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    ArtifactsOption,
    DeviceOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from ..video import Progress


def video(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video file.", readable=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="File to write: .mp4, .m4v, .mov, .mkv or .webm.", readable=False
        ),
    ],
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    codec: Annotated[
        str | None,
        typer.Option(help="FFmpeg's name of an encoder; H.264, above 8 bits H.265, by default."),
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Quality, 0 is best; 18 by default for H.264.")
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth/--no-smooth", help="Hold fills still between frames.")
    ] = True,
) -> None:
    """Take the face masks off a video.

    Sound and subtitles are copied, frames keep their times. Ctrl-C ends the work early: OUT then
    holds what was done, and plays.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from ..packages import require
    from ..selection import load
    from ..video import VideoInterrupted, unmask_video

    require("unmask video", "av", extra="video")
    console = Console(stderr=True)
    bar = Bar(
        TextColumn("taking masks off"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[fps]:.1f} frames a second"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

    def show(progress: Progress) -> None:
        fps = progress.frames / progress.elapsed
        bar.update(task, total=progress.total, completed=progress.frames, fps=fps)

    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, bar:
        task = bar.add_task("", total=None, fps=0.0)
        try:
            report = unmask_video(
                unmasker, source, out, codec=codec, crf=crf, smooth=smooth, progress=show
            )
        except VideoInterrupted as stopped:
            told = f"unmask: interrupted; {out} holds the first {stopped.report.length:.1f} s"
            typer.echo(told, err=True)
            raise typer.Exit(130) from None
    for note in report.notes:
        typer.echo(f"unmask: note: {note}", err=True)
    typer.echo(
        f"{out}: {report.frames} frames, {report.masked} unmasked, {report.faces} "
        f"{'face' if report.faces == 1 else 'faces'}, {report.frames / report.seconds:.1f} "
        "frames a second"
    )
