"""How long one run takes on this device, measured so that other programs count little."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.sample_images import draw_masked_faces

if TYPE_CHECKING:
    from unmask_sdk.runtimes.base import Runtime

# Runs before the measurement; then rounds with pauses between them, so that a busy moment does not
# cover all. Slow networks get fewer rounds.
WARM_UP = 3
ROUNDS = 4
RUNS = 8
PAUSE_S = 0.05
ENOUGH_S = 2.0


def measure(runtime: Runtime[Any]) -> float:
    """Returns the milliseconds of one image: the slowest of the fastest quarter of the runs.

    On the CPU under Linux it is the time that the run computes: on a core that other programs kept
    busy, `unmask-256` took 103 ms by the clock, 17 ms of them computing. Elsewhere it is the time
    by the clock.
    """
    _, height, width, _ = runtime.artifact.inputs[0].shape
    image = draw_masked_faces(1, height or 256, width or 256)
    computes = runtime.info.device == "cpu" and sys.platform == "linux"
    for _ in range(WARM_UP):
        runtime.run(image)
    taken: list[float] = []
    begin = time.perf_counter()
    for turn in range(ROUNDS):
        if turn:
            if time.perf_counter() - begin > ENOUGH_S:
                break
            time.sleep(PAUSE_S)
        for _ in range(RUNS):
            before = _Clocks(computes)
            runtime.run(image)
            taken.append(before.elapsed())
    return 1000 * sorted(taken)[len(taken) // 4 - 1]


class _Clocks:
    """Measures one run by the clock and, if the CPU computes it, by the CPU time of its threads."""

    def __init__(self, computes: bool) -> None:
        self._computes = computes
        self._threads = _thread_times() if computes else {}
        self._process = time.process_time()
        self._clock = time.perf_counter()

    def elapsed(self) -> float:
        """Returns the seconds since the start."""
        clock = time.perf_counter() - self._clock
        if not self._computes:
            return clock
        process = time.process_time() - self._process
        threads = _thread_times()
        # A run lasts as long as its busiest thread computes; threads that have no core of their
        # own take turns.
        busiest = max(spent - self._threads.get(name, 0.0) for name, spent in threads.items())
        return min(clock, max(busiest, process / usable_cpus()))


def _thread_times() -> dict[str, float]:
    """Returns the CPU time of each thread of this process in seconds, by its number."""
    times = {}
    for name in os.listdir("/proc/self/task"):
        # A thread may end meanwhile.
        with contextlib.suppress(OSError):
            times[name] = time.clock_gettime(_cpu_clock(int(name)))
    return times


def _cpu_clock(thread: int) -> int:
    """Returns the number of the clock that Linux has for the CPU time of a thread."""
    return (~thread << 3) | 6
