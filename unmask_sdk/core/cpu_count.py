"""How many processors there are to work with."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Gives the number of processors that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Only Linux tells.
        return os.cpu_count() or 1
