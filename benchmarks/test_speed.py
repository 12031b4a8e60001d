"""Speed of the shipped model on this device. Run with::

    python -m pytest benchmarks --benchmark-only

Times are wall-clock; compare only runs of one machine, better still one run's ratios.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.selection import open_runtime

PHOTO = Path(__file__).parent.parent / "examples" / "surgical.jpg"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A 1280x720 photo with one masked face of 230 px between forehead and chin."""
    face = cv2.imread(str(PHOTO))[..., ::-1]
    canvas = np.full((720, 1280, 3), 127, np.uint8)
    height, width = face.shape[:2]
    canvas[100 : 100 + height, 400 : 400 + width] = face
    return canvas


@pytest.mark.parametrize("threads", [1, 2])
def test_unmasker(benchmark, threads):
    crop = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    with open_runtime("unmasker", "onnx", threads=threads) as runtime:
        benchmark.pedantic(runtime.run, (crop,), rounds=30, warmup_rounds=5)


@pytest.mark.parametrize("threads", [1, 2])
def test_photo(benchmark, photo, threads):
    """`model(photo)` end to end; the mean milliseconds of each stage are in `extra_info`."""
    laps: list[dict[str, float]] = []
    with unmask_sdk.load("onnx", threads=threads) as model:
        result = benchmark.pedantic(
            lambda: laps.append(model(photo).timings), rounds=20, warmup_rounds=3
        )
    assert result is None
    for stage in laps[0]:
        benchmark.extra_info[stage] = round(float(np.median([lap[stage] for lap in laps])), 2)


def _script(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import(benchmark):
    """A fresh interpreter that imports unmask_sdk; `extra_info` has the import alone, in ms."""
    code = (
        "import time; t = time.perf_counter(); import unmask_sdk; "
        "print(1000 * (time.perf_counter() - t))"
    )
    times: list[float] = []
    benchmark.pedantic(lambda: times.append(float(_script(code))), rounds=7, warmup_rounds=1)
    benchmark.extra_info["import_ms"] = round(float(np.median(times)), 1)


def test_cold_start(benchmark):
    """A fresh process: load() and the first face; `extra_info` has that part and the memory."""
    code = (
        "import time; t = time.perf_counter(); import unmask_sdk, resource; "
        f"model = unmask_sdk.load('onnx', threads=1); model({str(PHOTO)!r}); "
        "print(1000 * (time.perf_counter() - t), "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    runs: list[list[float]] = []
    benchmark.pedantic(
        lambda: runs.append([float(x) for x in _script(code).split()]), rounds=5, warmup_rounds=1
    )
    milliseconds, megabytes = np.median(runs, 0)
    benchmark.extra_info["load_and_first_face_ms"] = round(float(milliseconds), 1)
    benchmark.extra_info["peak_rss_mb"] = round(float(megabytes), 1)
