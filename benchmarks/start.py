"""A fresh process that opens one model and unmasks one photo: cold start and peak memory.

    python -m unmask_sdk.benchmarks.start RUNTIME PRECISION MODEL ARTIFACTS PHOTO

prints the milliseconds of `load` and of the first photo, and the peak memory in MB, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import unmask_sdk


def main(runtime: str, precision: str, model: str, artifacts: str, photo: str) -> None:
    """Measures, and prints the result."""
    laps = [time.perf_counter()]
    with unmask_sdk.load(
        runtime, precision, model=model, artifacts=artifacts, threads=1
    ) as unmasker:
        laps.append(time.perf_counter())
        unmasker(photo)
        laps.append(time.perf_counter())
    load, first = (1000 * (end - start) for start, end in pairwise(laps))
    print(json.dumps({"load_ms": load, "first_ms": first, "peak_mb": peak_megabytes()}))


def peak_megabytes() -> float | None:
    """Returns the peak memory of this process; `None` where the system does not report it."""
    try:
        # Not `ru_maxrss`: on Linux that starts at the memory of the parent.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
