"""`unmask image`: photos in, photos without masks out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask_sdk.cli.options import (
    ArtifactsOption,
    DeviceOption,
    MetadataOption,
    ModelOption,
    PrecisionOption,
    QualityOption,
    RuntimeOption,
    ThreadsOption,
)


def image(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="Images, or folders of images; - for one on stdin.",
            readable=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="For one input an image file, whose extension sets the format; else a folder, "
            "created if it does not exist; - writes one PNG to stdout.",
            readable=False,
        ),
    ],
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Write before and after next to each other.")
    ] = False,
    quality: QualityOption = 95,
    strip: MetadataOption = False,
) -> None:
    """Remove the face masks from photos.

    A photo without a masked face is written unchanged; a photo without any face is a failure
    (`unmask folder` copies it). Files from which a mask was removed are marked as generated
    (DigitalSourceType in their XMP).

    In a folder, results keep the names of their photos; formats that cannot be written become PNG:
    a.gif becomes a.png, or a.gif.png if there is an a.png already.
    """
    from rich.console import Console
    from rich.progress import Progress

    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.loading.load import load

    from .process_file import Options, attempt
    from .targets import PIPE, plan, plan_piped
    from .url_check import refuse_url

    for given in inputs:
        refuse_url(given)
    options = Options(quality=quality, strip=strip, side_by_side=side_by_side)
    if PIPE in (*inputs, out):
        jobs, unread = plan_piped(inputs, out)
    else:
        jobs, unread = plan(inputs, out)
        check_writable_folder(jobs[0][1].parent if len(jobs) == 1 else out, "--out")
    several = len(jobs) + len(unread) > 1
    failures: list[str] = []
    console = Console(stderr=True)
    progress = Progress(
        console=console,
        transient=True,
        disable=not (several and console.is_terminal),
        # Only text for the same terminal has to be kept off the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, progress:
        for source, target in progress.track(jobs, description="removing masks"):
            done, failure = attempt(unmasker, source, target, options)
            if failure is None:
                # If the image goes to stdout, nothing else may.
                typer.echo(f"{target}: {done}", err=target == PIPE)
            else:
                failures.append(failure)
    if not failures and not unread:
        return
    for failure in (*unread, *failures):
        typer.echo(f"unmask: error: {failure}", err=True)
    if several:
        counts = [f"{len(failures)} of {len(jobs)} images failed"]
        if unread:
            counts.append(f"folders that could not be read: {len(unread)}")
        typer.echo(f"unmask: {', '.join(counts)}", err=True)
    raise typer.Exit(1)
