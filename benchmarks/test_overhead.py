"""What `Runtime.run` adds to the engine's own call, measured in turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from unmask_sdk.runtimes.registry import ENTRIES, problem
from unmask_sdk.selection import open_runtime

ROUNDS = 100


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.module], ids=lambda entry: entry.name)
def test_overhead(benchmark, entry):
    """`extra_info` holds what counts: the medians of the differences between neighbours."""
    trouble = problem(entry)
    if trouble is not None:
        pytest.skip(trouble.reason)
    crop = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    with open_runtime("unmasker", entry.name, threads=1) as runtime:
        # The handle is what the public method checks for, and then hands to the engine's call.
        handle = runtime._handle
        pairs = []

        def both() -> None:
            bare = _milliseconds(lambda: runtime._run(handle, [crop]))
            pairs.append((bare, _milliseconds(lambda: runtime.run(crop))))

        benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=5)
    bare = statistics.median(b for b, _ in pairs[5:])
    added = statistics.median(whole - b for b, whole in pairs[5:])
    benchmark.extra_info["bare ms"] = round(bare, 2)
    benchmark.extra_info["added ms"] = round(added, 3)
    benchmark.extra_info["added %"] = round(100 * added / bare, 1)
