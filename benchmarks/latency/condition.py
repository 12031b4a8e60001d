"""The state of a device while it is measured; `doctor.Device` describes the device itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Condition:
    """The state of the device now; `None` where the system does not report it.

    Attributes:
        temperature_c: Of its hottest sensor.
        load: Processes that want to run, over the last minute.
        clock_mhz: Of the first core.
    """

    temperature_c: float | None
    load: float | None
    clock_mhz: float | None


def condition() -> Condition:
    """Reads the state of the device."""
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    heat = [t / 1000 for t in map(_number, zones) if t is not None]
    clock = _number(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"))
    return Condition(
        temperature_c=max(heat, default=None),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        clock_mhz=None if clock is None else clock / 1000,
    )


def _number(file: Path) -> float | None:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
