"""`unmask folder`: a tree of photos in, the same tree without masks out."""

from __future__ import annotations

import contextlib
import os
import threading
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
from unmask_sdk.cli.signals import end_after_this, end_tidily, tell_end
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.errors import InvalidInputError

from .batch import Work, run
from .process_file import Options
from .progress import Report
from .ray_backend import run_on_ray
from .targets import NoPicturesError, plan
from .up_to_date import finished
from .watch import PAUSE, arrivals


def folder(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder of pictures, with all folders in it.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; may lie in IN.")],
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Pictures at once; 0: one for each processor.")
    ] = 0,
    quality: QualityOption = 95,
    strip: MetadataOption = False,
    again: Annotated[
        bool, typer.Option("--again", help="Do finished pictures once more, too, as asked for now.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on with pictures that come in, until Ctrl-C.")
    ] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Work on the Ray cluster that RAY_ADDRESS names or that runs here; IN, OUT and "
            "the model must be at the same place on all its machines.",
        ),
    ] = False,
) -> None:
    """Take the face masks off all photos of a folder.

    Results keep their places and names; what cannot be written in its own format becomes PNG.
    Photos in which no face wears a mask are copied as they are. A result that is there and not
    older than its photo is finished, so the same command goes on where it was interrupted:
    results are written whole or not at all. It stays as it was asked for then, also where model,
    precision or quality are others now: --again makes it anew. With --strip, one that holds
    EXIF or XMP of its photo is not finished.

    Pictures that cannot be read or written are listed at the end, with --watch as they come, and
    make the exit code 1. With --watch, Ctrl-C or SIGTERM ends it once what was begun is finished; a
    second one does not wait for that.
    """
    if watch and ray:
        raise InvalidInputError("--watch and --ray do not go together; leave one of them out")
    if not os.path.isdir(source):
        raise InvalidInputError(f"{source} is not a folder; for single pictures: unmask image")
    check_writable_folder(out, "OUT")
    end_tidily()
    # Pillow's remarks on odd files, which are decoded all the same.
    warnings.simplefilter("ignore", UserWarning)
    work = Work(
        out.absolute(),
        runtime,
        precision,
        model,
        None if artifacts is None else artifacts.absolute(),
        device,
        threads,
        Options(quality=quality, strip=strip, without_faces=True),
        workers or usable_cpus(),
        again,
    )
    report = Report(at_once=watch)
    # Also what Ctrl-C or a failing cluster leaves.
    try:
        if watch:
            _watch(report, work, source, out)
        else:
            _once(report, work, source, out, ray)
    finally:
        report.tell()
    if report.failed:
        raise typer.Exit(1)


def _once(report: Report, work: Work, source: Path, out: Path, ray: bool) -> None:
    jobs, unread = plan([source], out)
    for failure in unread:
        report.fail(failure)
    strip = work.options.strip
    left = [job for job in jobs if work.again or not finished(*job, strip=strip)]
    report.counts["finished before"] = len(jobs) - len(left)
    if left:
        report.follow((run_on_ray if ray else run)(work, left), len(left))


def _watch(report: Report, work: Work, source: Path, out: Path) -> None:
    """Goes on until Ctrl-C, which here is the way to end: what was begun is finished."""
    if os.path.isdir(out) and os.path.samefile(source, out):
        raise InvalidInputError(
            f"OUT {out} is IN, and results would be taken for pictures; choose another OUT"
        )
    # What is wrong from the beginning ends the command, as it does without --watch.
    with contextlib.suppress(NoPicturesError):
        plan([source], out)
    end = threading.Event()
    end_after_this(end)
    typer.echo(f"watching {source}; Ctrl-C ends", err=True)
    jobs = arrivals(
        source,
        out,
        again=work.again,
        strip=work.options.strip,
        pause=lambda: end.wait(PAUSE),
        tell=report.fail,
    )
    try:
        report.follow(run(work, jobs, end), None)
    except KeyboardInterrupt as ended:  # The second.
        report.tell()
        code = tell_end(ended)
        # Python itself would wait for the threads that are within a picture.
        os._exit(code)
