"""What many pictures came to, for the eyes of the user."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

import typer

from .batch import Outcome
from .process_file import Done


class Report:
    """Says what came of the pictures: each as it is done, failures and numbers at the end.

    Args:
        at_once: Whether failures are told as they happen, and not kept: there may be no end.

    Attributes:
        counts: Pictures of each kind that did not fail.
        failed: Failures.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.failed = 0
        self._at_once = at_once
        self._untold: list[str] = []

    def fail(self, failure: str) -> None:
        """Takes down a failure."""
        self.failed += 1
        if self._at_once:
            _tell(failure)
        else:
            self._untold.append(failure)

    def follow(self, outcomes: Iterable[Outcome], total: int | None) -> None:
        """Shows progress; `total` is None where nobody knows."""
        from rich.console import Console
        from rich.progress import Progress, TextColumn

        console = Console(stderr=True)
        progress = Progress(
            *Progress.get_default_columns(),
            TextColumn("{task.fields[speed]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # Only what goes to the same screen has to be kept clear of the bar.
            redirect_stdout=sys.stdout.isatty(),
        )
        began = time.monotonic()
        with progress:
            bar = progress.add_task("taking masks off", total=total, speed="")
            for number, outcome in enumerate(outcomes, 1):
                self._take(outcome)
                speed = number / max(time.monotonic() - began, 1e-9)
                progress.update(bar, advance=1, speed=f"{speed:.1f} pictures/s")

    def _take(self, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self.fail(outcome.failure)
            return
        self.counts[_kind(outcome.done)] += 1
        if outcome.done is not None:
            typer.echo(f"{outcome.job[1]}: {outcome.done}")

    def tell(self) -> None:
        """Says what failed, and how many of each kind there were, if there was anything."""
        for failure in sorted(self._untold):
            _tell(failure)
        counts = [f"{kind}: {count}" for kind, count in self.counts.items() if count]
        if self.failed:
            counts.append(f"failed: {self.failed}")
        if not counts:
            return
        told = ", ".join(counts)
        if self.counts["finished before"]:
            told += "; what was finished before is as it was asked for then, --again makes it anew"
        typer.echo(f"unmask: {told}", err=True)


def _tell(failure: str) -> None:
    typer.echo(f"unmask: error: {failure}", err=True)


def _kind(done: Done | None) -> str:
    if done is None:
        return "finished before"
    if not done.faces:
        return "without a face"
    return "unmasked" if done.masked else "without a mask"
