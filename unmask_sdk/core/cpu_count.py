"""Number of CPUs available to this process."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Returns the number of CPUs that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Only Linux has CPU affinity.
        return os.cpu_count() or 1
