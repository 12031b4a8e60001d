"""What many pictures came to, for the eyes of the user."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

import typer

from .batch import Outcome
from .one import Done


class Report:
    """Says what came of the pictures: each as it is done, failures and numbers at the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

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
            self.failures.append(outcome.failure)
            return
        self.counts[_kind(outcome.done)] += 1
        if outcome.done is not None:
            typer.echo(f"{outcome.job[1]}: {outcome.done}")

    def tell(self) -> None:
        """Says what failed, and how many of each kind there were."""
        for failure in sorted(self.failures):
            typer.echo(f"unmask: error: {failure}", err=True)
        counts = [f"{kind}: {count}" for kind, count in self.counts.items() if count]
        if self.failures:
            counts.append(f"failed: {len(self.failures)}")
        told = ", ".join(counts) or "nothing to do"
        if self.counts["finished before"]:
            told += "; what was finished before is as it was asked for then, --again makes it anew"
        typer.echo(f"unmask: {told}", err=True)


def _kind(done: Done | None) -> str:
    if done is None:
        return "finished before"
    if not done.faces:
        return "without a face"
    return "unmasked" if done.masked else "without a mask"
