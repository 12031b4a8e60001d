"""Energy of a run, where the device counts it: Intel's and AMD's RAPL, Jetson's tegrastats."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
# In less time, the resolution of the counters shows.
SECONDS = 2.0
# Power of the whole module, in mW: `VDD_IN 4500mW/4400mW` (Orin), `POM_5V_IN 2000/1900` (Nano).
_TEGRA = re.compile(r"(?:VDD_IN|POM_5V_IN) (\d+)(?:mW)?/")


@dataclass(frozen=True)
class Energy:
    """Joules of one run, of all that the source counts, other programs' share included."""

    joules: float
    source: str


def energy_of(call: Callable[[], object]) -> Energy | None:
    """Runs a call for some seconds and measures energy; `None` if the device has no counter."""
    counters = _rapl()
    if counters:
        before = [counter.read() for counter in counters]
        runs, _ = _run_for(call)
        used = [c.since(b) for c, b in zip(counters, before, strict=True)]
        return Energy(sum(used) / runs, "RAPL")
    if shutil.which("tegrastats"):
        with subprocess.Popen(
            ["tegrastats", "--interval", "100"], stdout=subprocess.PIPE, text=True
        ) as meter:
            runs, seconds = _run_for(call)
            meter.terminate()
            watts = tegra_watts(meter.communicate()[0])
        return None if watts is None else Energy(watts * seconds / runs, "tegrastats")
    return None


def tegra_watts(text: str) -> float | None:
    """Returns the mean power in watts from tegrastats' output; `None` if there is none."""
    values = [int(value) / 1000 for value in _TEGRA.findall(text)]
    return statistics.fmean(values) if values else None


@dataclass(frozen=True)
class _Counter:
    folder: Path

    def read(self) -> int:
        return int((self.folder / "energy_uj").read_text(encoding="ascii"))

    def since(self, before: int) -> float:
        """Returns joules since a reading; the counter wraps around at its range."""
        spent = self.read() - before
        if spent < 0:
            spent += int((self.folder / "max_energy_range_uj").read_text(encoding="ascii"))
        return spent / 1e6


def _rapl(root: Path = POWERCAP) -> list[_Counter]:
    """Returns the readable counters of processor packages; most systems need root for them."""
    found = []
    for folder in sorted(root.glob("*-rapl:[0-9]")):
        counter = _Counter(folder)
        try:
            counter.read()
        except (OSError, ValueError):
            continue
        found.append(counter)
    return found


def _run_for(call: Callable[[], object]) -> tuple[int, float]:
    start = time.perf_counter()
    runs = 0
    while (spent := time.perf_counter() - start) < SECONDS:
        call()
        runs += 1
    return runs, spent
