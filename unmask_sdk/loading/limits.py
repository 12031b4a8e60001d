"""Limits on time and quality, and whether a runtime keeps them on this device.

Latency is measured once and cached, and measured again before a limit is reported as missed.
Quality is what the artifact's certificate says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.cache_dir import cache_dir
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.validate import check_positive
from unmask_sdk.errors import ConfigError

from .latency import measure

if TYPE_CHECKING:
    from unmask_sdk.core.manifest import Artifact
    from unmask_sdk.runtimes.base import Runtime

# What took this many times as long as it may in the last minute is not measured again. Other
# programs on the same core made it six times by the clock; CPU time differed by 10 %.
FAR = 8
RECENT_S = 60
# Units of an age, the largest first, in seconds.
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


@dataclass(frozen=True)
class Timing:
    """How long one image takes on this device.

    Attributes:
        ms: Milliseconds.
        measured: When that was measured, in seconds since the epoch.
    """

    ms: float
    measured: float

    @property
    def age(self) -> str:
        """How long ago it was measured, such as "3 days ago"."""
        seconds = time.time() - self.measured
        for unit, length in _UNITS:
            if seconds >= length:
                count = int(seconds // length)
                return f"{count} {unit}{'s' * (count > 1)} ago"
        return "just now"

    @property
    def recent(self) -> bool:
        """Whether it was measured in the last minute."""
        return time.time() - self.measured <= RECENT_S

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms, measured {self.age}"


@dataclass(frozen=True)
class Verdict:
    """Whether an opened unmasker keeps the limits.

    Attributes:
        missed: Which limit it misses; None if it keeps both.
        timing: How long it takes; None if no limit on time was checked.
        may_keep: Whether another measurement might find that it keeps the limit on time.
    """

    missed: str | None
    timing: Timing | None = None
    may_keep: bool = False


@dataclass(frozen=True)
class Limits:
    """What is required of the unmasker; None requires nothing.

    Attributes:
        max_ms: Milliseconds that one image may take, as `latency.measure` measures them.
        min_psnr: PSNR in dB to the reference that the certificate must show for every output.

    Raises:
        InvalidInputError: If one is not a positive number.
    """

    max_ms: float | None = None
    min_psnr: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                check_positive(name, value)

    @property
    def given(self) -> bool:
        """Whether anything is required."""
        return self != Limits()

    def check(self, runtime: Runtime[Any], *, fresh: bool = False) -> Verdict:
        """Checks an opened unmasker.

        `fresh` measures its time even if the cache has it, unless that is recent and far off.
        """
        quality = psnr_of(runtime.artifact)
        if self.min_psnr is not None and quality < self.min_psnr:
            return Verdict(
                f"its certificate shows {quality:.1f} dB, below min_psnr={self.min_psnr:g}"
            )
        if self.max_ms is None:
            return Verdict(None)
        timing = timing_of(runtime)
        if fresh and self._may_keep(timing):
            timing = timing_of(runtime, fresh=True)
        if timing.ms <= self.max_ms:
            return Verdict(None, timing)
        missed = f"a face takes more than max_ms={self.max_ms:g} here: {timing}"
        if not timing.recent:
            missed += " (measure again with: unmask cache clear)"
        return Verdict(missed, timing, self._may_keep(timing))

    def _may_keep(self, timing: Timing) -> bool:
        far = self.max_ms is not None and timing.ms > FAR * self.max_ms
        return not (far and timing.recent)


def psnr_of(artifact: Artifact) -> float:
    """The lowest PSNR of the artifact's certificate in dB; infinite where nothing differs."""
    return min((p.psnr_db for p in artifact.parity if p.psnr_db is not None), default=math.inf)


def timings_folder() -> Path:
    """Returns the folder of cached measurements; it may not exist yet.

    Raises:
        ConfigError: If the user has no cache folder.
    """
    return cache_dir() / "timings"


@dataclass(frozen=True)
class CachedTiming:
    """A cached measurement of this device.

    Attributes:
        artifact: Name of the network.
        precision: Its precision.
        provider: What it ran on.
        threads: Threads for one run; None where the engine decides.
        timing: What was measured.
    """

    artifact: str
    precision: str
    provider: str
    threads: int | None
    timing: Timing

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", threads: {self.threads}"
        return f"{self.artifact} {self.precision} on {self.provider}{threads}: {self.timing}"


def timings() -> list[CachedTiming]:
    """Returns the cached measurements of this device."""
    found = []
    for file in sorted(_timing_files()):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(file.read_text(encoding="utf-8"))
            found.append(
                CachedTiming(
                    note["artifact"],
                    note["precision"],
                    note["provider"],
                    note["threads"],
                    _timing(note),
                )
            )
    return found


def forget_timings() -> int:
    """Removes the cached measurements, and returns their number."""
    files = _timing_files()
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def timing_of(runtime: Runtime[Any], *, fresh: bool = False) -> Timing:
    """Returns how long one image takes on this device, cached or measured now.

    `fresh` measures now, and `unmask cache clear` removes what is cached.
    """
    name = f"{_key(runtime)}.json"
    if not fresh:
        with contextlib.suppress(ConfigError, OSError, ValueError, KeyError, TypeError):
            note = json.loads((timings_folder() / name).read_text(encoding="utf-8"))
            return _timing(note)
    timing = Timing(measure(runtime), time.time())
    # Without a folder for it, and if the disk is full or read-only, every start measures.
    with contextlib.suppress(ConfigError, OSError):
        note = {**asdict(timing), **asdict(runtime.info), "artifact": runtime.artifact.name}
        _store(timings_folder() / name, note)
    return timing


def _timing(note: dict[str, Any]) -> Timing:
    return Timing(float(note["ms"]), float(note["measured"]))


def _timing_files() -> list[Path]:
    folder = timings_folder()
    # A folder that the user may not read counts as empty; `glob` raises in some versions of Python.
    with contextlib.suppress(OSError):
        return list(folder.glob("*.json"))
    return []


def _key(runtime: Runtime[Any]) -> str:
    parts = (runtime.artifact.sha256, asdict(runtime.info), platform.node(), usable_cpus())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _store(file: Path, note: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, json.dumps(note, indent=2).encode())
