"""Many pictures: the same work on each, some at once, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from unmask_sdk.errors import InvalidInputError

from .process_file import Done, Options, attempt
from .targets import check_inside
from .up_to_date import finished

if TYPE_CHECKING:
    from unmask_sdk.unmasker import Unmasker

# A picture to read, and the file to write.
Job: TypeAlias = tuple[Path, Path]


@dataclass(frozen=True)
class Work:
    """What is to be done with each picture, on this machine or another.

    Attributes:
        out: Folder that nothing may be written outside of.
        runtime: For `load`, as the next five.
        precision: See above.
        model: See above.
        artifacts: See above.
        device: See above.
        threads: See above; None takes one where several pictures are worked on at once.
        options: How results are written.
        workers: Pictures at once.
        again: Whether pictures that are finished are done once more.
    """

    out: Path
    runtime: str = "auto"
    precision: str = "auto"
    model: str | None = None
    artifacts: Path | None = None
    device: str | None = None
    threads: int | None = None
    options: Options = field(default_factory=Options)
    workers: int = 1
    again: bool = False

    def load(self) -> Unmasker:
        """Opens the model."""
        from unmask_sdk.loading.load import load

        # Several pictures at once share the processors; else the engine may have them all.
        threads = 1 if self.workers > 1 else None
        return load(
            self.runtime,
            self.precision,
            model=self.model,
            device=self.device,
            threads=self.threads or threads,
            artifacts=self.artifacts,
        )

    def do(self, unmasker: Unmasker, job: Job) -> Outcome:
        """Unmasks one picture. A failure is an outcome, too: the others go on."""
        source, target = job
        if not self.again and finished(source, target, strip=self.options.strip):
            return Outcome(job, None, None)
        try:
            check_inside(self.out, target)
        except InvalidInputError as error:
            return Outcome(job, None, f"{source}: {error}")
        return Outcome(job, *attempt(unmasker, source, target, self.options))


@dataclass(frozen=True)
class Outcome:
    """What came of one picture.

    Attributes:
        job: Picture and result.
        done: What was done; None if it failed, or was finished before.
        failure: Why it failed; None if it did not.
    """

    job: Job
    done: Done | None
    failure: str | None


def run(
    work: Work, jobs: Iterable[Job | None], end: threading.Event | None = None
) -> Iterator[Outcome]:
    """Works with threads: decoding, networks and encoding all leave Python to others meanwhile.

    Few pictures are under way at a time, however many there are. When the caller stops, those that
    were begun are finished, and no others are begun.

    Args:
        work: What to do.
        jobs: The pictures; None among them says that there is none at the moment.
        end: Once it is set no more pictures are begun; should an exception come then, those that
            were begun are not waited for.
    """
    end = end or threading.Event()
    waiting: set[Future[Outcome]] = set()
    with work.load() as unmasker:
        pool = ThreadPoolExecutor(work.workers, "unmask")
        try:
            for job in jobs:
                if end.is_set():
                    break
                if job is not None:
                    waiting.add(pool.submit(work.do, unmasker, job))
                full = len(waiting) >= 2 * work.workers
                ready, waiting = wait(waiting, None if full else 0, FIRST_COMPLETED)
                yield from (future.result() for future in ready)
            if end.is_set():
                waiting = {future for future in waiting if not future.cancel()}
            yield from (future.result() for future in as_completed(waiting))
        finally:
            pool.shutdown(wait=not end.is_set(), cancel_futures=True)
