"""What `Runtime.run` adds to the engine's own call, measured in turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from unmask_sdk.benchmarks.bench import CANNOT
from unmask_sdk.benchmarks.cases import select

ROUNDS = 100


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


@pytest.mark.parametrize("case", select().cases, ids=lambda case: case.name)
def test_overhead(benchmark, case):
    """`extra_info` holds what counts: the medians of the differences between neighbours."""
    try:
        opened = case.open(threads=1)
    except CANNOT as error:
        pytest.skip(str(error))
    crop = np.random.default_rng(0).integers(0, 256, (1, case.size, case.size, 3), np.uint8)
    with opened as runtime:
        # The handle is what the public method checks for, and then hands to the engine's call.
        handle = runtime._handle
        pairs = []

        def both() -> None:
            bare = _milliseconds(lambda: runtime._run(handle, [crop]))
            pairs.append((bare, _milliseconds(lambda: runtime.run(crop))))

        benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=5)
    counted = pairs[5:] or pairs
    bare = statistics.median(b for b, _ in counted)
    added = statistics.median(whole - b for b, whole in counted)
    benchmark.extra_info["bare ms"] = round(bare, 2)
    benchmark.extra_info["added ms"] = round(added, 3)
    benchmark.extra_info["added %"] = round(100 * added / bare, 1)
