"""What `load(max_ms=)` measures on a core that other programs keep busy, and alone, in turns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import unmask_sdk

BURNERS = 4
ROUNDS = 3
# Most that the busy core may add to what is measured.
MOST = 1.5


def _busy(core: int) -> subprocess.Popen[bytes]:
    """Starts a program that keeps a core busy."""
    program = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    return subprocess.Popen([sys.executable, "-c", program])


def _measured(cache: Path, threads: int | None) -> float:
    """Returns the milliseconds that `load` measures with an empty cache."""
    os.environ["UNMASK_CACHE"] = str(cache)
    wanted: dict[str, Any] = {"model": "unmask-256-lite", "threads": threads, "max_ms": 1e5}
    unmask_sdk.load("onnx", "fp32", **wanted).close()
    (file,) = (cache / "timings").iterdir()
    return float(json.loads(file.read_text())["ms"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has CPU time for each thread")
@pytest.mark.parametrize("threads", [1, None])
def test_busy_core_changes_little(
    benchmark: Any, threads: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    cores = os.sched_getaffinity(0)
    # Cores may be hyperthreads, which are slower while others work: those are busy all the time.
    others = [_busy(core) for core in cores - {min(cores)}]
    # Processes that start inherit it, and with it the engine's number of threads.
    os.sched_setaffinity(0, {min(cores)})
    burners = [_busy(min(cores)) for _ in range(BURNERS)]
    ratios: list[float] = []

    def compare() -> None:
        times = []
        for name, sent in (("busy", signal.SIGCONT), ("alone", signal.SIGSTOP)):
            for burner in burners:
                burner.send_signal(sent)
            times.append(_measured(tmp_path / f"{name}-{len(ratios)}", threads))
        ratios.append(times[0] / times[1])

    try:
        benchmark.pedantic(compare, rounds=ROUNDS if benchmark.enabled else 1)
    finally:
        os.sched_setaffinity(0, cores)
        for burner in others + burners:
            burner.kill()
            burner.wait()
    benchmark.extra_info["busy / alone"] = [round(ratio, 2) for ratio in ratios]
    assert sorted(ratios)[len(ratios) // 2] <= MOST or not benchmark.enabled
