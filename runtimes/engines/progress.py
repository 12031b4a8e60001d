"""Progress messages while an engine is built: minutes of silence look like a hang."""

from __future__ import annotations

import logging
import time

# Warnings reach standard error even if the application does not configure logging.
logger = logging.getLogger("unmask_sdk.engines")
# Seconds between two lines.
EVERY = 5.0
# Below this fraction, an estimate of the remaining time is not useful.
_ENOUGH = 0.05


class Phases:
    """Computes the fraction that is done from TensorRT's nested phases."""

    def __init__(self) -> None:
        self._total: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._within: dict[str, str | None] = {}
        self._most = 0.0

    def start(self, phase: str, within: str | None, steps: int) -> None:
        """Records that a phase of `steps` steps begins, inside the phase `within`."""
        self._total[phase], self._done[phase], self._within[phase] = max(1, steps), 0, within

    def step(self, phase: str, step: int) -> None:
        """Records that step `step` of a phase, counted from 0, is done."""
        self._done[phase] = max(self._done.get(phase, 0), step + 1)

    def finish(self, phase: str) -> None:
        """Records that a phase ends, possibly before all its steps are done."""
        self._done[phase] = self._total.get(phase, 1)

    def fraction(self) -> float:
        """Returns the fraction of the outermost phase that is done, 0..1; it never decreases."""
        outermost = next((phase for phase, within in self._within.items() if not within), None)
        if outermost is not None:
            self._most = max(self._most, self._fraction(outermost))
        return self._most

    def _fraction(self, phase: str) -> float:
        done, total = self._done[phase], self._total[phase]
        if done >= total:
            return 1.0
        # Inner phases that still run are part of the next step of this one.
        inner = [p for p, within in self._within.items() if within == phase and p != phase]
        running = [f for f in map(self._fraction, inner) if f < 1]
        return (done + max(running, default=0.0)) / total


class Reporter:
    """Logs the progress of a build every few seconds.

    Args:
        what: What is being built.
        every: Seconds between two lines.
    """

    def __init__(self, what: str, every: float = EVERY) -> None:
        self._what = what
        self._every = every
        self._start = self._last = time.monotonic()

    def tell(self, fraction: float) -> None:
        """Logs the fraction that is done, 0..1, unless the last message is recent."""
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
