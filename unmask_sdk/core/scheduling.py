"""Keeps libraries from giving this process real-time priority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Runs a block, after which no thread of this process has a real-time policy that it gained.

    SVT-AV1, where it may (as root, such as in a container), gives its threads and the one that
    opens it the highest real-time priority, for good: they, and every process started later, keep
    all others from the processor.
    """
    if not hasattr(os, "sched_getscheduler"):  # Not Linux.
        yield
        return
    before = {}
    for thread in _threads():
        with suppress(OSError):  # Threads end at any time.
            before[thread] = os.sched_getscheduler(thread)
    try:
        yield
    finally:
        own = before.get(0, os.SCHED_OTHER)
        for thread in _threads():
            with suppress(OSError):
                policy = before.get(thread, own)
                gained = os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR)
                if gained and policy not in (os.SCHED_FIFO, os.SCHED_RR):
                    os.sched_setscheduler(thread, policy, os.sched_param(0))


def _threads() -> list[int]:
    """Returns the calling thread as 0, and all threads of this process by their numbers."""
    with suppress(OSError):
        return [0, *(int(name) for name in os.listdir("/proc/self/task"))]
    return [0]
