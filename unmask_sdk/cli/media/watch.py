"""Pictures that come into a folder, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from unmask_sdk.errors import InvalidInputError

from .batch import Job
from .targets import NoPicturesError, plan
from .up_to_date import finished

# Size and time of the last change, in nanoseconds.
State: TypeAlias = tuple[int, int]

# Between two looks at the folder, in seconds.
PAUSE = 1.0


def arrivals(
    source: Path,
    out: Path,
    *,
    again: bool = False,
    strip: bool = False,
    pause: Callable[[], bool],
    tell: Callable[[str], object],
) -> Iterator[Job | None]:
    """Returns the pictures that are there, complete, and not yet done; None after each look.

    A picture counts as complete when it did not change from one look to the next. One that was
    given is given once more only after it has changed; so is one that failed.

    Args:
        source: Folder to look at.
        out: Folder of the results.
        again: Whether what was finished before the first look is given too.
        strip: Whether a result with EXIF or XMP of its photo counts as none.
        pause: Waits for the next look; says whether there is to be none.
        tell: Takes a line for each thing that keeps pictures from being done: once, unless it goes
            and comes again.
    """
    told: set[str] = set()
    seen: dict[Path, State] = {}
    given: dict[Path, State] = {}
    while True:
        jobs, hindrances = _look(source, out)
        for line in hindrances:
            if line not in told:
                tell(line)
        told = set(hindrances)
        now = {job[0]: state for job in jobs if (state := _state(job[0])) is not None}
        ready = [
            job
            for job in jobs
            if job[0] in now
            and seen.get(job[0]) == now[job[0]] != given.get(job[0])
            and (again or not finished(*job, strip=strip))
        ]
        given.update((job[0], now[job[0]]) for job in ready)
        seen = now
        yield from ready
        yield None
        if pause():
            return


def _look(source: Path, out: Path) -> tuple[list[Job], list[str]]:
    try:
        return plan([source], out)
    except NoPicturesError:
        return [], []
    except InvalidInputError as error:
        return [], [str(error)]


def _state(path: Path) -> State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
