"""Progress bar and summary for commands that process many files."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import typer

from unmask_sdk.cli.json_output import print_json
from unmask_sdk.errors import InvalidInputError

from .batch import Job, Outcome
from .process_file import Failed
from .records import photo_record, status_of
from .skip_finished import FileState, state_of

# What the summary calls each status.
_KINDS = {
    "finished_before": "finished before",
    "no_face": "without a face",
    "no_mask": "without a mask",
    "unmasked": "unmasked",
}


@dataclass
class Failure:
    """What went wrong, and whether that still stands.

    Attributes:
        failed: What to print.
        job: The image and its result; None if it is not about one.
        state: The image's state when it failed.
        due: When to print it, in the seconds of `time.monotonic`.
        printed: Whether it was printed.
    """

    failed: Failed
    job: Job | None = None
    state: FileState | None = None
    due: float = 0.0
    printed: bool = False

    @property
    def outdated(self) -> bool:
        """Whether the image has changed or is gone, so that this says nothing about it."""
        return self.job is not None and state_of(self.job[0]) != self.state


class BatchProgress:
    """Prints each image as it is done, and failures and counts at the end.

    Args:
        settle: Prints failures as they happen, because there may be no end: those of an image that
            was written to in the last `settle` seconds after that time, if it does not change. Only
            what is wrong in the end counts. None prints them at the end.
        quiet: Prints failures alone.
        as_json: Prints an object for each image to stdout, in place of a line of text.

    Attributes:
        counts: Number of images of each kind that did not fail.
    """

    def __init__(
        self, *, settle: float | None = None, quiet: bool = False, as_json: bool = False
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._settle = settle
        self._quiet = quiet
        self._as_json = as_json
        # By image, or by line where there is none.
        self._failures: dict[Path | str, Failure] = {}

    @property
    def failed(self) -> int:
        """Number of failures that stand."""
        return len(self._failures)

    def fail(self, line: str) -> None:
        """Counts a failure that is not about one image, and prints it now or at the end."""
        self._failures[line] = Failure(Failed(InvalidInputError.__name__, line))
        self.print_settled()

    def withdraw(self, line: str) -> None:
        """Counts a failure no more: its cause is gone."""
        self._failures.pop(line, None)

    def print_settled(self) -> None:
        """Drops failures of images that have changed since, and prints those that are due."""
        if self._settle is None:
            return
        self._failures = {k: f for k, f in self._failures.items() if not f.outdated}
        self._print(f for f in self._failures.values() if f.due <= time.monotonic())

    def say(self, line: str) -> None:
        """Prints a line for a person who is watching."""
        if not self._quiet:
            typer.echo(line, err=True)

    def add_finished(self, jobs: Iterable[Job]) -> None:
        """Counts images whose result was up to date before anything began."""
        for job in jobs:
            self._succeed(Outcome(job, None, None))

    def _fail_image(self, job: Job, failed: Failed) -> None:
        source = job[0]
        state = state_of(source)
        age = 0.0 if state is None else max(0.0, time.time() - state.mtime_ns / 1e9)
        due = time.monotonic() + max(0.0, (self._settle or 0.0) - age)
        self._failures[source] = Failure(failed, job, state, due)
        self.print_settled()

    def _print(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            if failure.printed:
                continue
            typer.echo(f"unmask: error: {failure.failed.message}", err=True)
            if self._as_json:
                source, target = failure.job or (None, None)
                print_json(photo_record(source, target, failed=failure.failed))
            failure.printed = True

    def follow(self, outcomes: Iterable[Outcome], total: int | None) -> None:
        """Shows the progress until all outcomes are there; `total` is None if it is not known."""
        from rich.console import Console
        from rich.progress import Progress, TextColumn

        console = Console(stderr=True)
        progress = Progress(
            *Progress.get_default_columns(),
            TextColumn("{task.fields[speed]}"),
            console=console,
            transient=True,
            disable=self._quiet or not console.is_terminal,
            # Only text for the same terminal has to be kept off the bar.
            redirect_stdout=sys.stdout.isatty(),
        )
        began = time.monotonic()
        with progress:
            bar = progress.add_task("removing masks", total=total, speed="")
            for number, outcome in enumerate(outcomes, 1):
                self._count(outcome)
                speed = number / max(time.monotonic() - began, 1e-9)
                progress.update(bar, advance=1, speed=f"{speed:.1f} images/s")

    def _count(self, outcome: Outcome) -> None:
        source = outcome.job[0]
        if outcome.failure is not None:
            self._fail_image(outcome.job, outcome.failure)
            return
        self._failures.pop(source, None)
        self._succeed(outcome)

    def _succeed(self, outcome: Outcome) -> None:
        self.counts[_KINDS[status_of(outcome.done)]] += 1
        if self._as_json:
            print_json(photo_record(*outcome.job, outcome.done))
        elif outcome.done is not None and not self._quiet:
            typer.echo(f"{outcome.job[1]}: {outcome.done}")

    def print_summary(self) -> None:
        """Prints the failures and the number of images of each kind, if there were any."""
        if self._settle is not None:
            self._failures = {k: f for k, f in self._failures.items() if not f.outdated}
        self._print(sorted(self._failures.values(), key=lambda failure: failure.failed.message))
        counts = [f"{kind}: {count}" for kind, count in self.counts.items() if count]
        if self.failed:
            counts.append(f"failed: {self.failed}")
        if not counts:
            return
        summary = ", ".join(counts)
        if self.counts["finished before"]:
            summary += "; results finished before keep their earlier options, --again redoes them"
        self.say(f"unmask: {summary}")
