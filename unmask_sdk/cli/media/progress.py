"""Progress bar and summary for commands that process many files."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import typer

from .batch import Outcome
from .process_file import Done
from .skip_finished import FileState, state_of


@dataclass
class Failure:
    """What went wrong, and whether that still stands.

    Attributes:
        line: What to print.
        source: The image; None if it is not about one.
        state: Its state when it failed.
        due: When to print it, in the seconds of `time.monotonic`.
        printed: Whether it was printed.
    """

    line: str
    source: Path | None = None
    state: FileState | None = None
    due: float = 0.0
    printed: bool = False

    @property
    def outdated(self) -> bool:
        """Whether the image has changed or is gone, so that this says nothing about it."""
        return self.source is not None and state_of(self.source) != self.state


class BatchProgress:
    """Prints each image as it is done, and failures and counts at the end.

    Args:
        settle: Prints failures as they happen, because there may be no end: those of an image that
            was written to in the last `settle` seconds after that time, if it does not change. Only
            what is wrong in the end counts. None prints them at the end.

    Attributes:
        counts: Number of images of each kind that did not fail.
    """

    def __init__(self, *, settle: float | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._settle = settle
        # By image, or by line where there is none.
        self._failures: dict[Path | str, Failure] = {}

    @property
    def failed(self) -> int:
        """Number of failures that stand."""
        return len(self._failures)

    def fail(self, line: str) -> None:
        """Counts a failure that is not about one image, and prints it now or at the end."""
        self._failures[line] = Failure(line)
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

    def _fail_image(self, source: Path, line: str) -> None:
        state = state_of(source)
        age = 0.0 if state is None else max(0.0, time.time() - state.mtime_ns / 1e9)
        due = time.monotonic() + max(0.0, (self._settle or 0.0) - age)
        self._failures[source] = Failure(line, source, state, due)
        self.print_settled()

    def _print(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            if not failure.printed:
                typer.echo(f"unmask: error: {failure.line}", err=True)
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
            disable=not console.is_terminal,
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
            self._fail_image(source, outcome.failure)
            return
        self._failures.pop(source, None)
        self.counts[_kind(outcome.done)] += 1
        if outcome.done is not None:
            typer.echo(f"{outcome.job[1]}: {outcome.done}")

    def print_summary(self) -> None:
        """Prints the failures and the number of images of each kind, if there were any."""
        if self._settle is not None:
            self._failures = {k: f for k, f in self._failures.items() if not f.outdated}
        self._print(sorted(self._failures.values(), key=lambda failure: failure.line))
        counts = [f"{kind}: {count}" for kind, count in self.counts.items() if count]
        if self.failed:
            counts.append(f"failed: {self.failed}")
        if not counts:
            return
        summary = ", ".join(counts)
        if self.counts["finished before"]:
            summary += "; results finished before keep their earlier options, --again redoes them"
        typer.echo(f"unmask: {summary}", err=True)


def _kind(done: Done | None) -> str:
    if done is None:
        return "finished before"
    if not done.faces:
        return "without a face"
    return "unmasked" if done.masked else "without a mask"
