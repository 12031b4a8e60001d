"""Describes the device, what can run on it, and how to fix the rest, for `unmask doctor`."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .core.cache_dir import cache_dir
from .core.cpu_count import usable_cpus
from .core.cpu_features import read_cpuinfo
from .core.error_text import one_line_with_type
from .core.manifest import Manifest, read_manifest
from .core.opencv import check_opencv, installed_opencvs, opencv_conflict
from .core.sdk_version import sdk_version
from .errors import ArtifactError, MissingDependencyError, RuntimeUnavailableError, UnmaskError
from .loading.choose import choose, why_unusable
from .loading.limits import timings
from .loading.open_artifact import open_role
from .runtimes.candidate import Candidate
from .runtimes.engines.cache import EngineCache
from .runtimes.nvidia import find_gpu
from .runtimes.registry import AUTO, ENTRIES, RuntimeEntry, load_plugin, plugin_entry_points

# Instruction sets that the engines' fast paths use, as Linux names them.
_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "neon",
    "asimd",
    "asimddp",
    "asimdhp",
    "i8mm",
    "bf16",
    "sve",
)


@dataclass(frozen=True)
class Device:
    """The device.

    Attributes:
        system: Operating system and machine.
        board: Name of the board, such as a Jetson's; None if it is not reported.
        cpu: Name of the processor.
        cores: Number of cores that this process may use.
        features: Instruction sets that count here.
        gpus: The NVIDIA GPU that is used, with compute capability and driver (on a Jetson: L4T,
            the release that JetPack brings); empty if there is none.
        governor: CPU frequency governor of Linux, such as `performance`; None if not reported.
        power_mode: Jetson's power mode, or the firmware's profile; None if there is none.
        python: Version of Python.
        sdk: Version of unmask-sdk.
    """

    system: str
    board: str | None
    cpu: str
    cores: int
    features: tuple[str, ...]
    gpus: tuple[str, ...]
    governor: str | None
    power_mode: str | None
    python: str
    sdk: str


@dataclass(frozen=True)
class ArtifactState:
    """One artifact, and whether its file matches its digest."""

    name: str
    role: str
    format: str
    precision: str
    megabytes: float
    sha256: str
    ok: bool
    problem: str | None


@dataclass(frozen=True)
class Kept:
    """What is kept of what can be made again; `unmask cache` shows and clears it.

    Attributes:
        folder: Where.
        engines: Number of TensorRT's engines.
        megabytes: What they take.
        timings: Number of measured times.
        problem: Why nothing can be kept, and the fix; None if it can.
    """

    folder: str
    engines: int
    megabytes: float
    timings: int
    problem: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Everything that `unmask doctor` shows.

    Attributes:
        device: The device.
        runtimes: Every known runtime, with whether it is usable, why not, and how to fix it.
            Usable means that it has just opened the unmasker.
        opencv: Whether OpenCV imports, its version and package, and whether another package
            overwrites it.
        artifacts: Every artifact, with whether its file matches its digest.
        cache: What is cached on this device.
        auto: What `load()` would take and why; None if nothing is usable.
        problem: Why `load()` would fail; None if it would not.
    """

    device: Device
    runtimes: tuple[Candidate, ...]
    opencv: Candidate
    artifacts: tuple[ArtifactState, ...]
    cache: Kept
    auto: Candidate | None
    problem: str | None


def diagnose(artifacts: str | Path | None = None) -> Diagnosis:
    """Describes the device, opens the unmasker on each runtime, and checks every artifact.

    What is broken becomes a finding, whatever it raises.

    Args:
        artifacts: Folder that holds a `manifest.json`; the package's own by default.
    """
    try:
        manifest: Manifest | None = read_manifest(artifacts)
        trouble = None
    except ArtifactError as error:
        manifest, trouble = None, str(error)
    manifests = () if manifest is None else (manifest,)
    auto = None
    if manifest is not None:
        try:
            opened, considered = choose(manifests, AUTO, AUTO)
            opened.close()
            auto = considered[-1]
        except Exception as error:  # noqa: BLE001
            trouble = one_line_with_type(error)
    opencv = _opencv()
    if not opencv.usable:
        trouble = f"{opencv.reason}; {opencv.fix}"
    return Diagnosis(
        device=device(),
        runtimes=(*(_try(manifests, entry) for entry in ENTRIES), *_plugins(manifests)),
        opencv=opencv,
        artifacts=() if manifest is None else _states(manifest),
        cache=_kept(),
        auto=auto,
        problem=trouble,
    )


def device() -> Device:
    """Describes this device; what it does not report is left out."""
    names, flags = read_cpuinfo()
    return Device(
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        board=_board(),
        cpu=names or platform.processor() or platform.machine(),
        cores=usable_cpus(),
        features=tuple(feature for feature in _FEATURES if feature in flags),
        gpus=_gpus(),
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        power_mode=_power_mode(),
        python=platform.python_version(),
        sdk=sdk_version(),
    )


def _try(manifests: tuple[Manifest, ...], entry: RuntimeEntry) -> Candidate:
    trouble = why_unusable(manifests, "unmasker", entry)
    if trouble is not None:
        return Candidate(entry.name, False, trouble.reason, trouble.fix)
    try:
        with open_role(manifests, "unmasker", entry) as opened:
            info = opened.info
    except Exception as error:  # noqa: BLE001
        return Candidate(entry.name, False, one_line_with_type(error), entry.how_to_fix)
    return Candidate(entry.name, True, f"{info.provider}, {info.precision} on {info.device}")


def _plugins(manifests: tuple[Manifest, ...]) -> list[Candidate]:
    found = []
    for point in plugin_entry_points():
        try:
            entry = load_plugin(point)
        except RuntimeUnavailableError as error:
            found.append(Candidate(point.name, False, str(error)))
        else:
            found.append(_try(manifests, entry))
    return found


def _states(manifest: Manifest) -> tuple[ArtifactState, ...]:
    states = []
    for artifact in manifest.artifacts:
        problem = None
        try:
            manifest.path(artifact)
            manifest.golden_path(artifact)
        except ArtifactError as error:
            problem = str(error)
        states.append(
            ArtifactState(
                name=artifact.name,
                role=artifact.role,
                format=artifact.format,
                precision=artifact.precision,
                megabytes=round(artifact.total_bytes / 1e6, 2),
                sha256=artifact.sha256,
                ok=problem is None,
                problem=problem,
            )
        )
    return tuple(states)


def _opencv() -> Candidate:
    try:
        version = check_opencv()
    except MissingDependencyError as error:
        reason, _, fix = str(error).rpartition("; ")
        return Candidate("OpenCV", False, reason, fix)
    packages = installed_opencvs()
    names = ", ".join(packages) or "no package of pip"
    return Candidate("OpenCV", True, f"{version} from {names}", opencv_conflict())


def _kept() -> Kept:
    try:
        folder = str(cache_dir())
        entries = EngineCache().entries()
        measured = len(timings())
    except (UnmaskError, OSError) as error:
        return Kept("", 0, 0.0, 0, str(error))
    megabytes = round(sum(entry.bytes for entry in entries) / 1e6, 1)
    return Kept(folder, len(entries), megabytes, measured)


def _board() -> str | None:
    return _read("/proc/device-tree/model").strip("\0\n ") or None


def _gpus() -> tuple[str, ...]:
    try:
        gpu = find_gpu()
    # The entries of the runtimes that need a GPU say why.
    except Exception:  # noqa: BLE001
        return ()
    return (f"{gpu.name}, compute capability {gpu.capability}, driver {gpu.driver}",)


def _power_mode() -> str | None:
    jetson = _told_by("nvpmodel", "-q").partition("NV Power Mode:")[2].strip()
    profile = _read("/sys/firmware/acpi/platform_profile").strip()
    return jetson.partition("\n")[0] or profile or None


def _told_by(program: str, *arguments: str) -> str:
    """Returns what a program prints; nothing if it is not there, or fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
