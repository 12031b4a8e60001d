"""`unmask video`: a video in, the video without masks out."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.options import (
    ArtifactsOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    QuietOption,
    RuntimeOption,
)
from unmask_sdk.cli.signals import (
    HUNG_UP,
    INTERRUPTED,
    TERMINATED,
    handle_termination,
    raise_on_second,
)

if TYPE_CHECKING:
    from unmask_sdk.video.file import Progress


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
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads of the decoder, of one run of a network, and of the encoder; with 2 or "
            "more these work at the same time.",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="FFmpeg's name of an encoder, also of hardware (h264_nvenc, hevc_qsv, …); by "
            "default H.264, above 8 bits H.265."
        ),
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Quality, 0 is best; 18 by default for H.264.")
    ] = None,
    smooth: Annotated[
        bool,
        typer.Option("--smooth/--no-smooth", help="Keep generated regions steady between frames."),
    ] = True,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Take less time: a faster preset of the encoder (larger file), and no smoothing "
            "of generated regions, which may flicker.",
        ),
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the face masks from a video.

    Audio and subtitles are copied, frames keep their timestamps. Ctrl-C, SIGTERM or a terminal that
    closes stops early: OUT is then a valid video of the part that was done.
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from unmask_sdk.cli.json_output import print_json
    from unmask_sdk.core.output_paths import check_writable_file, make_folder
    from unmask_sdk.core.requirements import check_command
    from unmask_sdk.loading.load import load
    from unmask_sdk.video.encoders import container_of
    from unmask_sdk.video.file import VideoInterrupted, unmask_video
    from unmask_sdk.video.reader import find_video_stream, open_video

    from .url_check import refuse_url

    check_command("unmask video")
    # Inputs are checked before a folder is created.
    refuse_url(source)
    container_of(out)
    check_writable_file(out, "--out")
    with open_video(source) as file:
        find_video_stream(file, source)
    console = Console(stderr=True)
    bar = Bar(
        TextColumn("removing masks"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[fps]:.1f} frames a second"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )

    def show(progress: Progress) -> None:
        fps = progress.frames / progress.elapsed
        bar.update(task, total=progress.total, completed=progress.frames, fps=fps)

    stop = threading.Event()

    code = 0

    def finish(number: int, _: object) -> None:
        nonlocal code
        code = TERMINATED if number == signal.SIGTERM else HUNG_UP
        raise_on_second(number)  # A second one does not wait.
        stop.set()

    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, bar:
        task = bar.add_task("", total=None, fps=0.0)
        make_folder(out.parent, "--out")
        handle_termination(finish)
        try:
            report = unmask_video(
                unmasker,
                source,
                out,
                codec=codec,
                crf=crf,
                smooth=smooth,
                fast=fast,
                progress=show,
                stop=stop,
            )
            code = 0 if report.complete else code
        except VideoInterrupted as stopped:
            report, code = stopped.report, INTERRUPTED
    lines = [f"note: {note}" for note in report.notes]
    if code:
        lines.insert(0, f"interrupted; {out} holds the first {report.length:.1f} s")
    for line in lines:
        if not quiet:
            typer.echo(f"unmask: {line}", err=True)
    if as_json:
        print_json({"source": str(source), "output": str(out), **asdict(report), "error": None})
    if code:
        raise typer.Exit(code)
    if quiet or as_json:
        return
    typer.echo(
        f"{out}: {report.frames} frames, {report.masked} unmasked, {report.faces} "
        f"{'face' if report.faces == 1 else 'faces'}, {report.frames / report.seconds:.1f} "
        "frames a second"
    )
