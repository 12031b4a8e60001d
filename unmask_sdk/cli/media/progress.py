"""Progress bar and summary for commands that process many files."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

import typer

from .batch import Outcome
from .process_file import Done


class BatchProgress:
    """Prints each image as it is done, and failures and counts at the end.

    Args:
        failures_at_once: Whether to print failures as they happen, because there may be no end.

    Attributes:
        counts: Number of images of each kind that did not fail.
        failed: Number of failures.
    """

    def __init__(self, *, failures_at_once: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.failed = 0
        self._failures_at_once = failures_at_once
        self._unprinted: list[str] = []

    def fail(self, failure: str) -> None:
        """Counts a failure, and prints it now or at the end."""
        self.failed += 1
        if self._failures_at_once:
            _print_error(failure)
        else:
            self._unprinted.append(failure)

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
        if outcome.failure is not None:
            self.fail(outcome.failure)
            return
        self.counts[_kind(outcome.done)] += 1
        if outcome.done is not None:
            typer.echo(f"{outcome.job[1]}: {outcome.done}")

    def print_summary(self) -> None:
        """Prints the failures and the number of images of each kind, if there were any."""
        for failure in sorted(self._unprinted):
            _print_error(failure)
        counts = [f"{kind}: {count}" for kind, count in self.counts.items() if count]
        if self.failed:
            counts.append(f"failed: {self.failed}")
        if not counts:
            return
        summary = ", ".join(counts)
        if self.counts["finished before"]:
            summary += "; results finished before keep their earlier options, --again redoes them"
        typer.echo(f"unmask: {summary}", err=True)


def _print_error(failure: str) -> None:
    typer.echo(f"unmask: error: {failure}", err=True)


def _kind(done: Done | None) -> str:
    if done is None:
        return "finished before"
    if not done.faces:
        return "without a face"
    return "unmasked" if done.masked else "without a mask"
