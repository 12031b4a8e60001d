"""`unmask image`: photos in, photos without masks out."""

from __future__ import annotations

import sys
import warnings
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
from unmask_sdk.cli.signals import end_tidily


def image(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="Pictures, or folders of pictures; - for one on stdin.",
            readable=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="A picture, for one input: its ending says the format; or a folder, made if it is "
            "not there; - writes one PNG to stdout.",
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
        bool, typer.Option("--side-by-side", help="Write before and after beside each other.")
    ] = False,
    quality: QualityOption = 95,
    strip: MetadataOption = False,
) -> None:
    """Take the face masks off photos.

    A photo in which no face wears a mask is written as it is; one without any face is a failure
    (`unmask folder` copies it). Files in which a mask was taken off say so (DigitalSourceType in
    their XMP).

    In a folder, results keep the names of their photos; what cannot be written in its own format
    becomes PNG: a.gif becomes a.png, or a.gif.png if there is an a.png already.
    """
    from rich.console import Console
    from rich.progress import Progress

    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.loading.load import load

    from .process_file import Options, attempt
    from .targets import PIPE, plan, plan_piped
    from .url_check import refuse_address

    for given in inputs:
        refuse_address(given)
    options = Options(quality=quality, strip=strip, side_by_side=side_by_side)
    if PIPE in (*inputs, out):
        jobs, unread = plan_piped(inputs, out)
    else:
        jobs, unread = plan(inputs, out)
        check_writable_folder(jobs[0][1].parent if len(jobs) == 1 else out, "--out")
    end_tidily()
    several = len(jobs) + len(unread) > 1
    # Pillow's remarks on odd files, which are decoded all the same.
    warnings.simplefilter("ignore", UserWarning)
    failures: list[str] = []
    console = Console(stderr=True)
    progress = Progress(
        console=console,
        transient=True,
        disable=not (several and console.is_terminal),
        # Only what goes to the same screen has to be kept clear of the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, progress:
        for source, target in progress.track(jobs, description="taking masks off"):
            done, failure = attempt(unmasker, source, target, options)
            if failure is None:
                # What the picture goes to takes nothing else.
                typer.echo(f"{target}: {done}", err=target == PIPE)
            else:
                failures.append(failure)
    if not failures and not unread:
        return
    for failure in (*unread, *failures):
        typer.echo(f"unmask: error: {failure}", err=True)
    if several:
        counts = [f"{len(failures)} of {len(jobs)} pictures failed"]
        if unread:
            counts.append(f"folders that could not be read: {len(unread)}")
        typer.echo(f"unmask: {', '.join(counts)}", err=True)
    raise typer.Exit(1)
