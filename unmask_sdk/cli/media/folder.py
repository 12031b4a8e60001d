"""`unmask folder`: a tree of photos in, the same tree without masks out."""

from __future__ import annotations

import contextlib
import os
import threading
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
from unmask_sdk.cli.signals import finish_on_signal, print_interruption
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.errors import InvalidInputError

if TYPE_CHECKING:
    from .batch import Work
    from .progress import BatchProgress


def folder(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder of images, searched recursively.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; may be inside IN.")],
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Images at the same time; 0: one per core.")
    ] = 0,
    quality: QualityOption = 95,
    strip: MetadataOption = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also redo finished images, with the options given now.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Also process images that arrive later, until Ctrl-C.")
    ] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Use the Ray cluster that RAY_ADDRESS names or that runs here; IN, OUT and the "
            "model must have the same paths on all its machines.",
        ),
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the face masks from all photos in a folder.

    Results keep their relative paths and names; formats that cannot be written become PNG.
    Photos without a masked face are copied unchanged. A result that was made from the photo as it
    is now is finished, so the same command continues where it was interrupted; OUT/.unmask holds
    what each was made from. Results are never written partially. A finished result is kept even if
    model, precision or quality are different now: --again redoes it. With --strip, a result that
    holds EXIF or XMP of its photo is not finished.

    Images that cannot be read or written are listed at the end, and the exit code is then 1. With
    --watch they are listed once they have not changed for some seconds, and do not count if they
    are repaired or removed. With --watch, Ctrl-C or SIGTERM stops the command once the started
    images are finished; a second one stops it immediately.
    """
    from .batch import Work
    from .process_file import Options
    from .progress import BatchProgress
    from .watch import SETTLE

    if watch and ray:
        raise InvalidInputError("--watch and --ray cannot be combined; leave one of them out")
    if not os.path.isdir(source):
        raise InvalidInputError(f"{source} is not a folder; for single images use: unmask image")
    check_writable_folder(out, "OUT")
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
    report = BatchProgress(settle=SETTLE if watch else None, quiet=quiet, as_json=as_json)
    # The summary is also printed after Ctrl-C or a failure of the cluster.
    try:
        if watch:
            _watch(report, work, source, out)
        else:
            _once(report, work, source, out, ray)
    finally:
        report.print_summary()
    if report.failed:
        raise typer.Exit(1)


def _once(report: BatchProgress, work: Work, source: Path, out: Path, ray: bool) -> None:
    from .batch import run
    from .ray_backend import run_on_ray
    from .skip_finished import FinishedResults
    from .targets import plan

    jobs, unread = plan([source], out)
    for line in unread:
        report.fail(line)
    strip = work.options.strip
    finished = FinishedResults(out)
    left = [job for job in jobs if work.again or not finished.is_up_to_date(*job, strip=strip)]
    waiting = set(left)
    report.add_finished(job for job in jobs if job not in waiting)
    if left:
        report.follow((run_on_ray if ray else run)(work, left), len(left))


def _watch(report: BatchProgress, work: Work, source: Path, out: Path) -> None:
    """Runs until Ctrl-C, after which the images that were started finish."""
    from .batch import run
    from .targets import NoPicturesError, plan
    from .watch import PAUSE, arrivals

    if os.path.isdir(out) and os.path.samefile(source, out):
        raise InvalidInputError(
            f"OUT {out} is IN, so results would be processed again; choose another OUT"
        )
    # An error at the start ends the command, as it does without --watch.
    with contextlib.suppress(NoPicturesError):
        plan([source], out)
    end = threading.Event()
    finish_on_signal(end)
    report.say(f"watching {source}; stop with Ctrl-C")

    def pause() -> bool:
        report.print_settled()
        return end.wait(PAUSE)

    jobs = arrivals(
        source,
        out,
        again=work.again,
        strip=work.options.strip,
        pause=pause,
        report=report.fail,
        withdraw=report.withdraw,
    )
    try:
        report.follow(run(work, jobs, end), None)
    except KeyboardInterrupt as ended:  # The second.
        report.print_summary()
        code = print_interruption(ended)
        # Python would wait for the threads that are processing an image.
        os._exit(code)
