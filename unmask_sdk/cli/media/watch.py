"""Watches a folder for new images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from unmask_sdk.errors import InvalidInputError

from .batch import Job
from .skip_finished import FileState, FinishedResults, state_of
from .targets import NoPicturesError, plan

# Seconds between two scans of the folder.
PAUSE = 1.0
# Seconds for which a failed image must rest before that is reported: an upload may only pause.
SETTLE = 10.0


def arrivals(
    source: Path,
    out: Path,
    *,
    again: bool = False,
    strip: bool = False,
    pause: Callable[[], bool],
    report: Callable[[str], object],
    withdraw: Callable[[str], object],
) -> Iterator[Job | None]:
    """Yields the complete images that have no result yet; None after each scan.

    An image is complete when it did not change between two scans. An image that was yielded, or
    that failed, is yielded again only after it has changed.

    Args:
        source: Folder to scan.
        out: Folder of the results.
        again: Whether images that were finished before the first scan are yielded too.
        strip: Whether a result with EXIF or XMP of its photo does not count.
        pause: Waits for the next scan; returns whether to stop.
        report: Takes a line for each problem that prevents a scan; repeated only if the problem
            disappears and comes again.
        withdraw: Takes the line again when the problem has disappeared.
    """
    finished = FinishedResults(out)
    reported: set[str] = set()
    seen: dict[Path, FileState] = {}
    given: dict[Path, FileState] = {}
    while True:
        jobs, problems = _scan(source, out)
        for line in problems:
            if line not in reported:
                report(line)
        for line in reported.difference(problems):
            withdraw(line)
        reported = set(problems)
        now = {job[0]: state for job in jobs if (state := state_of(job[0])) is not None}
        ready = [
            job
            for job in jobs
            if job[0] in now
            and seen.get(job[0]) == now[job[0]] != given.get(job[0])
            and (again or not finished.is_up_to_date(*job, strip=strip))
        ]
        given.update((job[0], now[job[0]]) for job in ready)
        seen = now
        yield from ready
        yield None
        if pause():
            return


def _scan(source: Path, out: Path) -> tuple[list[Job], list[str]]:
    try:
        return plan([source], out)
    except NoPicturesError:
        return [], []
    except InvalidInputError as error:
        return [], [str(error)]
