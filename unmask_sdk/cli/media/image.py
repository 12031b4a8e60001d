"""`unmask image`: photos in, photos without masks out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.options import (
    ArtifactsOption,
    DeviceOption,
    JsonOption,
    MetadataOption,
    ModelOption,
    PrecisionOption,
    QualityOption,
    QuietOption,
    RuntimeOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from .process_file import Content


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
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="For one input an image file, whose extension sets the format; else a folder, "
            "created if it does not exist; - writes one PNG to stdout. By default each result is "
            "put next to its photo: photo.unmasked.jpg.",
            readable=False,
        ),
    ] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Write before and after next to each other.")
    ] = False,
    mask_only: Annotated[
        bool,
        typer.Option(
            "--mask-only",
            help="Write how much of each pixel is generated, black (nothing) to white (all).",
        ),
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay",
            help="Draw what was found on the result: faces, eyes, confidences, outlines of masks.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Without --out: replace a file that has the name of a result. A file that --out "
            "names is always replaced.",
        ),
    ] = False,
    quality: QualityOption = 95,
    strip: MetadataOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the face masks from photos.

    Without --out, photo.jpg becomes photo.unmasked.jpg in the same folder (photo.mask.png,
    photo.overlay.jpg, photo.side-by-side.jpg), and no existing file is replaced.

    A photo without a masked face is written unchanged; a photo without any face is a failure
    (`unmask folder` copies it). Files from which a mask was removed are marked as generated
    (DigitalSourceType in their XMP).

    In a folder, results keep the names of their photos; formats that cannot be written become PNG:
    a.gif becomes a.png, or a.gif.png if there is an a.png already.
    """
    from rich.console import Console
    from rich.progress import Progress

    from unmask_sdk.cli.json_output import print_json
    from unmask_sdk.errors import InvalidInputError
    from unmask_sdk.loading.load import load

    from .process_file import Failed, Options, attempt
    from .records import photo_record
    from .targets import PIPE
    from .url_check import refuse_url

    for given in inputs:
        refuse_url(given)
    content = _content(side_by_side, mask_only, overlay)
    options = Options(quality=quality, strip=strip, content=content)
    jobs, unread = _plan(inputs, out, content, overwrite)
    if as_json and jobs[0][1] == PIPE:
        raise InvalidInputError(
            "--json and the image would both go to stdout; name a file as --out"
        )
    several = len(jobs) + len(unread) > 1
    failures: list[str] = []
    console = Console(stderr=True)
    progress = Progress(
        console=console,
        transient=True,
        disable=quiet or not (several and console.is_terminal),
        # Only text for the same terminal has to be kept off the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, progress:
        for source, target in progress.track(jobs, description="removing masks"):
            done, failed = attempt(unmasker, source, target, options)
            if failed is not None:
                failures.append(failed.message)
            if as_json:
                print_json(photo_record(source, target, done, failed))
            elif done is not None and not quiet:
                # If the image goes to stdout, nothing else may.
                typer.echo(f"{target}: {done}", err=target == PIPE)
    if not failures and not unread:
        return
    if as_json:
        for line in unread:
            print_json(photo_record(None, failed=Failed(InvalidInputError.__name__, line)))
    for failure in (*unread, *failures):
        typer.echo(f"unmask: error: {failure}", err=True)
    if several and not quiet:
        counts = [f"{len(failures)} of {len(jobs)} images failed"]
        if unread:
            counts.append(f"folders that could not be read: {len(unread)}")
        typer.echo(f"unmask: {', '.join(counts)}", err=True)
    raise typer.Exit(1)


def _content(side_by_side: bool, mask_only: bool, overlay: bool) -> Content:
    """Returns what to write, of which the options name at most one."""
    from unmask_sdk.errors import InvalidInputError

    named: dict[Content, bool] = {
        "side-by-side": side_by_side,
        "mask": mask_only,
        "overlay": overlay,
    }
    chosen = [content for content, given in named.items() if given]
    if len(chosen) > 1:
        raise InvalidInputError(
            "--side-by-side, --mask-only and --overlay exclude one another; give one of them"
        )
    return chosen[0] if chosen else "result"


def _plan(
    inputs: list[Path], out: Path | None, content: Content, overwrite: bool
) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs every photo with its file, and checks that it can be written."""
    from unmask_sdk.core.output_paths import check_writable_folder

    from .targets import PIPE, plan, plan_in_place, plan_piped

    if PIPE in (*inputs, out):
        return plan_piped(inputs, out or PIPE)
    if out is None:
        # A mask has sharp edges and two colors, which JPEG would blur.
        suffix = ".png" if content == "mask" else None
        label = "unmasked" if content == "result" else content
        return plan_in_place(inputs, label, suffix, overwrite=overwrite), []
    jobs, unread = plan(inputs, out)
    check_writable_folder(jobs[0][1].parent if len(jobs) == 1 else out, "--out")
    return jobs, unread
