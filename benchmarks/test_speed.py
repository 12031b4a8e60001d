"""Speed on this device, by pytest-benchmark. Run with::

    python -m pytest benchmarks --benchmark-only

Every runtime and precision of the shipped unmasker; `unmask bench` measures the same in turns,
which is what to compare cases by. Times are wall-clock: compare only runs of one machine.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask_sdk.benchmarks.parity.cases import Case, select
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.runtimes.base import Runtime

from .latency import bench

CASES = select().cases
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def opened(case: Case, threads: int) -> Runtime[Any]:
    try:
        return case.open(threads=threads)
    except bench.CANNOT as error:
        pytest.skip(str(error))


@every_case
@pytest.mark.parametrize("threads", [1, 2])
def test_crop(benchmark: Any, case: Case, threads: int) -> None:
    with opened(case, threads) as runtime:
        image = draw_masked_faces(1, case.size, case.size)
        benchmark.pedantic(runtime.run, (image,), rounds=30, warmup_rounds=5)


@every_case
@pytest.mark.parametrize("count", bench.Plan.batches)
def test_batch(benchmark: Any, case: Case, count: int) -> None:
    with opened(case, 1) as runtime:
        images = draw_masked_faces(count, case.size, case.size)
        benchmark.pedantic(runtime.run, (images,), rounds=5, warmup_rounds=1)
    if benchmark.enabled:
        benchmark.extra_info["pictures_per_s"] = count / benchmark.stats.stats.median


@every_case
def test_photo(benchmark: Any, case: Case, tmp_path: Path) -> None:
    """From file to file; the median milliseconds of each stage are in `extra_info`."""
    opened(case, 1).close()
    source = bench.write_photo(tmp_path)
    laps: list[dict[str, float]] = []
    with bench.load(case) as model:
        call = partial(bench.through, model, source, tmp_path, laps)
        benchmark.pedantic(call, rounds=20, warmup_rounds=3)
    for stage in laps[0]:
        benchmark.extra_info[stage] = round(float(np.median([lap[stage] for lap in laps])), 2)


@every_case
def test_start(benchmark: Any, case: Case, tmp_path: Path) -> None:
    """A fresh process: load() and the first photo; parts and memory are in `extra_info`."""
    opened(case, 1).close()
    source = bench.write_photo(tmp_path)
    measured: list[dict[str, float]] = []
    benchmark.pedantic(lambda: measured.append(bench.fresh(case, source)), rounds=3)
    for key in measured[0]:
        benchmark.extra_info[key] = round(float(np.median([t[key] for t in measured])), 1)


def test_import(benchmark: Any) -> None:
    """A fresh interpreter that imports unmask_sdk; `extra_info` has the import alone, in ms."""
    code = (
        "import time; t = time.perf_counter(); import unmask_sdk; "
        "print(1000 * (time.perf_counter() - t))"
    )

    def measure() -> None:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(float(done.stdout))

    times: list[float] = []
    benchmark.pedantic(measure, rounds=7, warmup_rounds=1)
    benchmark.extra_info["import_ms"] = round(float(np.median(times)), 1)
