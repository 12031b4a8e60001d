"""What is said while an engine is built: minutes of silence look like a hang."""

from __future__ import annotations

import logging
import time

# Warnings reach standard error even where the application sets up no logging.
logger = logging.getLogger("unmask_sdk.engines")
# Seconds between two lines.
EVERY = 5.0
# A guess from less than this share of the work is worth nothing.
_ENOUGH = 0.05


class Phases:
    """Works out how much is done from TensorRT's phases, which lie within one another."""

    def __init__(self) -> None:
        self._total: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._within: dict[str, str | None] = {}
        self._most = 0.0

    def start(self, phase: str, within: str | None, steps: int) -> None:
        """A phase begins."""
        self._total[phase], self._done[phase], self._within[phase] = max(1, steps), 0, within

    def step(self, phase: str, step: int) -> None:
        """Step `step` of a phase, counted from 0, is done."""
        self._done[phase] = max(self._done.get(phase, 0), step + 1)

    def finish(self, phase: str) -> None:
        """A phase ends, with or without all its steps."""
        self._done[phase] = self._total.get(phase, 1)

    def fraction(self) -> float:
        """How much of the outermost phase is done, 0..1; never less than it has said before."""
        outermost = next((phase for phase, within in self._within.items() if not within), None)
        if outermost is not None:
            self._most = max(self._most, self._fraction(outermost))
        return self._most

    def _fraction(self, phase: str) -> float:
        done, total = self._done[phase], self._total[phase]
        if done >= total:
            return 1.0
        # Of phases that lie in this one, those still running are part of its next step.
        inner = [p for p, within in self._within.items() if within == phase and p != phase]
        running = [f for f in map(self._fraction, inner) if f < 1]
        return (done + max(running, default=0.0)) / total


class Reporter:
    """Logs how far a build is, every few seconds.

    Args:
        what: What is being built.
        every: Seconds between two lines.
    """

    def __init__(self, what: str, every: float = EVERY) -> None:
        self._what = what
        self._every = every
        self._start = self._last = time.monotonic()

    def tell(self, fraction: float) -> None:
        """Says how much is done (0..1), unless that was said just now."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            elapsed = now - self._start
            left = ""
            if fraction >= _ENOUGH:
                left = f", about {elapsed * (1 - fraction) / fraction:.0f} s left"
            logger.warning(
                "building %s: %.0f %% after %.0f s%s", self._what, 100 * fraction, elapsed, left
            )
