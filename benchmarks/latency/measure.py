"""Timing that is robust to noise: warm-up until steady, calls in turns, medians and tails.

Times are wall-clock, which is what users wait for. Ratios of calls on one thread of the processor
use CPU time: another process on a shared machine takes the processor away in slices, which hits
calls that take longer than a slice harder.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

Call = Callable[[], object]

# A call is warm if its median changes by less than this from one window of runs to the next.
STEADY = 0.05
WINDOW = 5
MOST_WARM_UPS = 60
# Slow calls need few runs to be warm.
WARM_UP_SECONDS = 5.0


# The resolution of CPU time on Windows is as long as a run.
CPU_TIME = sys.platform != "win32"


@dataclass(frozen=True)
class Samples:
    """Seconds of each run, in order.

    Attributes:
        wall: Wall-clock time.
        cpu: CPU time of all threads of the process.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, call: Call) -> None:
        """Runs and records a call."""
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)


@dataclass(frozen=True)
class Tail:
    """Percentiles and maximum, in milliseconds."""

    p50: float
    p90: float
    p95: float
    p99: float
    max: float


def timed(call: Call) -> float:
    """Runs once and returns the seconds it took."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def warm_up(call: Call) -> int:
    """Runs until the median of a window of runs is steady; returns the number of runs."""
    begin = time.perf_counter()
    timed(call)
    if time.perf_counter() - begin > WARM_UP_SECONDS / (2 * WINDOW):
        return 1
    before = statistics.median(timed(call) for _ in range(WINDOW))
    for done in range(2 * WINDOW, MOST_WARM_UPS, WINDOW):
        now = statistics.median(timed(call) for _ in range(WINDOW))
        late = time.perf_counter() - begin > WARM_UP_SECONDS
        if late or abs(now / before - 1) <= STEADY:
            return done + 1
        before = now
    return MOST_WARM_UPS


def interleave(
    calls: Mapping[str, Call], rounds: int, *, rewarm: bool = False
) -> dict[str, Samples]:
    """Runs several calls in turns, so that a busy moment affects all equally.

    Args:
        calls: Calls by name; each is warmed up first.
        rounds: Runs of each. In each round all run once, in another order.
        rewarm: Whether each runs once more before every run that counts. Needed where rounds take
            seconds: some hosts of virtual machines take away memory that was idle for a second,
            and the next run waits for it, up to 7 times as long as it takes.

    Returns:
        The runs by name, in the order of the rounds.
    """
    for call in calls.values():
        warm_up(call)
    return in_turns(calls, rounds, rewarm=rewarm)


def in_turns(calls: Mapping[str, Call], rounds: int, *, rewarm: bool = False) -> dict[str, Samples]:
    """Does the same as `interleave` with calls that are warm already."""
    order = list(calls)
    shuffle = random.Random(0).shuffle
    taken = {name: Samples() for name in calls}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            if rewarm:
                calls[name]()
            taken[name].add(calls[name])
    return taken


def ratio(one: Samples, other: Samples, *, on_cpu: bool = True) -> float:
    """Returns how many times as long one call took as another: the median over the rounds.

    Args:
        one: Runs of the one.
        other: Runs of the other, in turns with it.
        on_cpu: Whether both run on the processor only; then CPU time is compared.
    """
    if on_cpu and CPU_TIME:
        return statistics.median(a / b for a, b in zip(one.cpu, other.cpu, strict=True))
    return statistics.median(a / b for a, b in zip(one.wall, other.wall, strict=True))


def tail(seconds: list[float]) -> Tail:
    """Returns percentiles in milliseconds."""
    values = np.percentile(seconds, [50, 90, 95, 99, 100]) * 1000
    return Tail(*(round(float(v), 3) for v in values))


def yardstick() -> Call:
    """Returns a fixed piece of work to measure others by: a convolution by OpenCV.

    It takes about 10 ms of one core, bound partly by arithmetic and partly by memory, like the
    networks.
    """
    picture = np.random.default_rng(0).random((512, 512, 3), np.float32)
    kernel = np.full((7, 7), 1 / 49, np.float32)
    kernel[3, 3] += 0.01

    def work() -> None:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            cv2.filter2D(cv2.filter2D(picture, -1, kernel), -1, kernel)
        finally:
            cv2.setNumThreads(threads)

    return work
