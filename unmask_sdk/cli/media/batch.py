"""Processes many images with several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from unmask_sdk.errors import InvalidInputError

from .process_file import Done, Failed, Options, attempt
from .skip_finished import FinishedResults, state_of
from .targets import check_inside

if TYPE_CHECKING:
    from unmask_sdk.unmasker import Unmasker

# An image to read, and the file to write.
Job: TypeAlias = tuple[Path, Path]


@dataclass(frozen=True)
class Work:
    """How to process each image, on this machine or another.

    Attributes:
        out: Output folder; nothing is written outside it.
        runtime: Argument of `load`.
        precision: Argument of `load`.
        model: Argument of `load`.
        artifacts: Argument of `load`.
        device: Argument of `load`.
        threads: Argument of `load`; None takes one thread if there are several workers.
        options: How results are written.
        workers: Number of images processed at the same time.
        again: Whether to process images again that have an up-to-date result.
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

        # Several workers share the cores; a single one may use them all.
        threads = 1 if self.workers > 1 else None
        return load(
            self.runtime,
            self.precision,
            model=self.model,
            device=self.device,
            threads=self.threads or threads,
            artifacts=self.artifacts,
        )

    def process(self, unmasker: Unmasker, job: Job) -> Outcome:
        """Unmasks one image. A failure is returned, not raised, so that the others continue."""
        source, target = job
        finished = FinishedResults(self.out)
        if not self.again and finished.is_up_to_date(source, target, strip=self.options.strip):
            return Outcome(job, None, None)
        try:
            check_inside(self.out, target)
        except InvalidInputError as error:
            return Outcome(job, None, Failed.of(error, str(source)))
        finished.forget(target)
        before = state_of(source)
        done, failure = attempt(unmasker, source, target, self.options)
        if done is not None:
            finished.remember(source, target, before)
        return Outcome(job, done, failure)


@dataclass(frozen=True)
class Outcome:
    """The outcome for one image.

    Attributes:
        job: Image and result.
        done: What was done; None if it failed, or its result was up to date.
        failure: Why it failed; None if it did not.
    """

    job: Job
    done: Done | None
    failure: Failed | None


def run(
    work: Work, jobs: Iterable[Job | None], end: threading.Event | None = None
) -> Iterator[Outcome]:
    """Processes images with threads: decoding, networks and encoding all release the GIL.

    Few images are in progress at a time, however many there are. When the caller stops, those that
    were started finish, and no others start.

    Args:
        work: What to do.
        jobs: The images; None means that there is none at the moment.
        end: Once it is set, no more images start; if an exception comes then, those that were
            started are not waited for.

    Yields:
        The outcomes, in the order in which they are done.
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
                    waiting.add(pool.submit(work.process, unmasker, job))
                full = len(waiting) >= 2 * work.workers
                ready, waiting = wait(waiting, None if full else 0, FIRST_COMPLETED)
                yield from (future.result() for future in ready)
            if end.is_set():
                waiting = {future for future in waiting if not future.cancel()}
            yield from (future.result() for future in as_completed(waiting))
        finally:
            pool.shutdown(wait=not end.is_set(), cancel_futures=True)
