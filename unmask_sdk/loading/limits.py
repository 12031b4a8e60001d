"""Limits on time and quality, and whether a runtime keeps them on this device.

Latency is measured once and cached; quality is what the artifact's certificate says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.cache_dir import cache_dir
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.core.validate import check_positive
from unmask_sdk.errors import ConfigError

if TYPE_CHECKING:
    from unmask_sdk.core.manifest import Artifact
    from unmask_sdk.runtimes.base import Runtime

# Runs before the measurement, and measured runs.
WARM_UP = 5
RUNS = 15


@dataclass(frozen=True)
class Limits:
    """What is required of the unmasker; None requires nothing.

    Attributes:
        max_ms: Milliseconds that one image may take, the median of `RUNS`.
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

    def missed_by(self, runtime: Runtime[Any]) -> str | None:
        """Returns which limit an opened unmasker misses; None if it keeps both."""
        quality = psnr_of(runtime.artifact)
        if self.min_psnr is not None and quality < self.min_psnr:
            return f"its certificate shows {quality:.1f} dB, below min_psnr={self.min_psnr:g}"
        if self.max_ms is not None:
            taken = milliseconds(runtime)
            if taken > self.max_ms:
                return (
                    f"a face takes {taken:.1f} ms here, more than max_ms={self.max_ms:g} "
                    "(measure again with: unmask cache clear)"
                )
        return None


def psnr_of(artifact: Artifact) -> float:
    """The lowest PSNR of the artifact's certificate in dB; infinite where nothing differs."""
    return min((p.psnr_db for p in artifact.parity if p.psnr_db is not None), default=math.inf)


def timings_folder() -> Path:
    """Returns the folder of cached measurements; it may not exist yet.

    Raises:
        ConfigError: If the user has no cache folder.
    """
    return cache_dir() / "timings"


def timings() -> list[str]:
    """Describes the cached measurements of this device, one line each."""
    found = []
    for file in sorted(_timing_files()):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(file.read_text(encoding="utf-8"))
            threads = "" if note["threads"] is None else f", threads: {note['threads']}"
            found.append(
                f"{note['artifact']} {note['precision']} on {note['provider']}{threads}: "
                f"{note['ms']:.1f} ms"
            )
    return found


def forget_timings() -> int:
    """Removes the cached measurements, and returns their number."""
    files = _timing_files()
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def milliseconds(runtime: Runtime[Any]) -> float:
    """Returns the median time of one image on this device, cached or measured now.

    `unmask cache clear` removes the cached measurements.
    """
    name = f"{_key(runtime)}.json"
    with contextlib.suppress(ConfigError, OSError, ValueError, KeyError, TypeError):
        return float(json.loads((timings_folder() / name).read_text(encoding="utf-8"))["ms"])
    taken = _measure(runtime)
    # Without a folder for it, and if the disk is full or read-only, every start measures.
    with contextlib.suppress(ConfigError, OSError):
        note = {"ms": taken, **asdict(runtime.info), "artifact": runtime.artifact.name}
        _store(timings_folder() / name, note)
    return taken


def _timing_files() -> list[Path]:
    folder = timings_folder()
    # A folder that the user may not read counts as empty; `glob` raises in some versions of Python.
    with contextlib.suppress(OSError):
        return list(folder.glob("*.json"))
    return []


def _measure(runtime: Runtime[Any]) -> float:
    _, height, width, _ = runtime.artifact.inputs[0].shape
    image = draw_masked_faces(1, height or 256, width or 256)
    taken = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        runtime.run(image)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[WARM_UP:])


def _key(runtime: Runtime[Any]) -> str:
    parts = (runtime.artifact.sha256, asdict(runtime.info), platform.node(), usable_cpus())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _store(file: Path, note: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, json.dumps(note, indent=2).encode())
