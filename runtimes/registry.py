"""The known runtimes, as plain data. Only `runtime_class` imports one.

Other packages add runtimes through the entry-point group `unmask_sdk.runtimes`: each entry point
names a `RuntimeEntry`, whose `name` is the entry point's, in lower case and no name or alias of the
runtimes here (docs/runtimes.md). They are used when asked for by name; `auto` never picks one.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.error_text import one_line, one_line_with_type
from unmask_sdk.core.manifest import ROLES
from unmask_sdk.core.optional_deps import install_command, missing_message, missing_packages
from unmask_sdk.core.requirements import RUNTIMES as NEEDS
from unmask_sdk.errors import (
    InvalidInputError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UnmaskError,
)

from .base import Runtime
from .nvidia import FIX, driver_problem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "unmask_sdk.runtimes"
_REINSTALL = "upgrade or remove the package that adds it"


@dataclass(frozen=True)
class RuntimeEntry:
    """What is known of a runtime without importing it.

    Attributes:
        name: What `load()` calls it.
        title: Its name in messages.
        module: Python module that holds its class.
        class_name: The class in it, a `Runtime`.
        requires: Modules that it imports, looked up without importing them; `a|b` where either is
            enough.
        formats: Artifact formats that it opens.
        precisions: Precisions that it runs, the one that `auto` prefers first.
        devices: Devices that it runs on, its default first.
        platforms: Values of `sys.platform` that it exists for.
        fix: Command that installs what it needs.
        extra: Instead of `fix`, for the runtimes of this package: the extra that installs it.
        roles: Networks that it runs. `load` runs a detector or an aligner that is not among them
            on `onnx`, and reports that in `Unmasker.selection`.
        int8_locator: Whether `load` opens the detector and the aligner in int8 too where the
            unmasker is, and there are such files; else in the preferred precision.

    Raises:
        InvalidInputError: If a field that has several texts is no tuple of texts, formats,
            precisions, devices, platforms or roles are empty, or a role is unknown.
    """

    name: str
    title: str
    module: str
    class_name: str
    requires: tuple[str, ...]
    formats: tuple[str, ...]
    precisions: tuple[str, ...]
    devices: tuple[str, ...]
    platforms: tuple[str, ...]
    fix: str = ""
    extra: str = ""
    roles: tuple[str, ...] = ROLES
    int8_locator: bool = False

    def __post_init__(self) -> None:
        for field in ("requires", "formats", "precisions", "devices", "platforms", "roles"):
            value: Any = getattr(self, field)
            if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
                raise InvalidInputError(
                    f"{field} of the RuntimeEntry {self.name!r} must be a tuple of texts, such as "
                    f"('onnx',); got {value!r}"
                )
            if not value and field != "requires":
                raise InvalidInputError(f"{field} of the RuntimeEntry {self.name!r} is empty")
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise InvalidInputError(
                f"the RuntimeEntry {self.name!r} has the role {unknown[0]!r}; known are "
                f"{', '.join(ROLES)}"
            )

    @property
    def how_to_fix(self) -> str:
        """Command that installs what it needs."""
        if self.extra:
            return install_command(self.extra)
        return self.fix or f"reinstall the package that contains {self.module}"


@dataclass(frozen=True)
class Problem:
    """Why something cannot be used, and what fixes it.

    Attributes:
        error: Exception to raise for it.
        reason: Why it cannot be used.
        fix: Command or argument that fixes it.
    """

    error: type[UnmaskError]
    reason: str
    fix: str

    def as_error(self) -> UnmaskError:
        """Returns the problem as an exception to raise."""
        return self.error(f"{self.reason}; {self.fix}")


_PLATFORMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
_DESKTOP = tuple(_PLATFORMS)

# The detector in int8, in milliseconds of one core with VNNI: on ONNX Runtime 4.7 instead of 7.6,
# on OpenVINO 4.3 instead of 7.7, on LiteRT 2.4 instead of 7.4. Without VNNI, int8 saves no time on
# ONNX Runtime, in the unmasker neither: there the locator takes 1.3 times as long as in fp32.
# In the order in which `auto` tries them: fastest first. One crop, one thread (docs/benchmarks.md),
# in fp32: OpenVINO takes 1.26 times as long as ONNX Runtime, LiteRT 1.15 times, PyTorch 1.8 times.
ENTRIES: tuple[RuntimeEntry, ...] = (
    RuntimeEntry(
        name="trt",
        title="TensorRT",
        module="unmask_sdk.runtimes.trt",
        class_name="TensorRTRuntime",
        requires=NEEDS["trt"].modules,
        formats=("trt",),
        precisions=("fp16", "int8"),
        devices=("cuda",),
        platforms=("linux",),
        extra=NEEDS["trt"].extra,
    ),
    RuntimeEntry(
        name="cuda",
        title="ONNX Runtime, CUDA",
        module="unmask_sdk.runtimes.cuda",
        class_name="OnnxCudaRuntime",
        requires=NEEDS["cuda"].modules,
        formats=("onnx",),
        precisions=("fp16", "fp32"),
        devices=("cuda",),
        platforms=("linux", "win32"),
        extra=NEEDS["cuda"].extra,
    ),
    RuntimeEntry(
        name="coreml",
        title="Core ML",
        module="unmask_sdk.runtimes.coreml",
        class_name="CoreMLRuntime",
        requires=NEEDS["coreml"].modules,
        formats=("coreml",),
        precisions=("fp16", "w8", "w8a8", "fp32"),
        devices=("all", "cpu", "gpu", "ane"),
        platforms=("darwin",),
        extra=NEEDS["coreml"].extra,
    ),
    RuntimeEntry(
        name="onnx",
        title="ONNX Runtime, CPU",
        module="unmask_sdk.runtimes.onnx",
        class_name="OnnxRuntime",
        requires=NEEDS["onnx"].modules,
        formats=("onnx",),
        precisions=("fp32", "fp16", "int8"),
        devices=("cpu",),
        platforms=_DESKTOP,
        extra=NEEDS["onnx"].extra,
        int8_locator=True,
    ),
    RuntimeEntry(
        name="openvino",
        title="OpenVINO",
        module="unmask_sdk.runtimes.openvino",
        class_name="OpenVINORuntime",
        requires=NEEDS["openvino"].modules,
        formats=("onnx", "openvino"),
        precisions=("fp32", "fp16", "int8"),
        devices=("cpu",),
        platforms=_DESKTOP,
        extra=NEEDS["openvino"].extra,
        int8_locator=True,
    ),
    RuntimeEntry(
        name="tflite",
        title="LiteRT (TensorFlow Lite)",
        module="unmask_sdk.runtimes.tflite",
        class_name="TFLiteRuntime",
        requires=NEEDS["tflite"].modules,
        formats=("tflite",),
        precisions=("fp32", "fp16", "int8"),
        devices=("cpu",),
        platforms=_DESKTOP,
        extra=NEEDS["tflite"].extra,
        int8_locator=True,
    ),
    RuntimeEntry(
        name="torch",
        title="PyTorch, the reference",
        module="unmask_sdk.runtimes.torch",
        class_name="TorchRuntime",
        requires=NEEDS["torch"].modules,
        formats=("safetensors",),
        precisions=("fp32",),
        devices=("cpu", "cuda"),
        platforms=_DESKTOP,
        extra=NEEDS["torch"].extra,
    ),
)

# Not a runtime: lets `load()` choose.
AUTO = "auto"
ALIASES = {"cpu": "onnx", "onnxruntime": "onnx", "tensorrt": "trt", "litert": "tflite"}


def find_runtime(name: str) -> RuntimeEntry:
    """Returns the entry of a runtime, built in or from another package.

    Args:
        name: Name or alias, in upper or lower case.

    Raises:
        InvalidInputError: If no runtime has this name.
        RuntimeUnavailableError: If it is another package's and does not load.
    """
    wanted = ALIASES.get(name.lower(), name.lower())
    for entry in ENTRIES:
        if entry.name == wanted:
            return entry
    others = plugin_entry_points()
    for point in others:
        if point.name.lower() == wanted:
            return load_plugin(point)
    known = [e.name for e in ENTRIES] + list(ALIASES) + [p.name for p in others]
    raise InvalidInputError(f"unknown runtime {name!r}; known are {AUTO}, {', '.join(known)}")


def plugin_entry_points() -> tuple[EntryPoint, ...]:
    """Returns the entry points of runtimes in other packages, not loaded."""
    # Slow to import, and `load()` rarely needs it.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))


def load_plugin(point: EntryPoint) -> RuntimeEntry:
    """Loads the `RuntimeEntry` that an entry point names.

    Raises:
        RuntimeUnavailableError: If it does not load, is not a `RuntimeEntry`, or has another name.
    """
    what = f"runtime {point.name!r} ({point.value})"
    try:
        entry: Any = point.load()
    # It is another package's code, which may raise anything.
    except Exception as error:
        raise RuntimeUnavailableError(
            f"{what} does not load ({one_line_with_type(error)}); {_REINSTALL}"
        ) from error
    if not isinstance(entry, RuntimeEntry):
        kind = f"the class {entry.__name__}" if isinstance(entry, type) else type(entry).__name__
        raise RuntimeUnavailableError(
            f"{what} is {kind}, not a RuntimeEntry; {_REINSTALL}. For its author: describe the "
            "class with a RuntimeEntry, and name that in the entry point, such as "
            f"{point.name} = '{point.module}:ENTRY' (docs/runtimes.md)"
        )
    if entry.name != point.name or entry.name != entry.name.lower():
        raise RuntimeUnavailableError(
            f"{what} is the RuntimeEntry {entry.name!r}; {_REINSTALL}. For its author: the entry "
            "point and its RuntimeEntry have the same name, in lower case (docs/runtimes.md)"
        )
    if entry.name in (AUTO, *ALIASES, *(ours.name for ours in ENTRIES)):
        raise RuntimeUnavailableError(
            f"{what} has a name of unmask-sdk, which stands for its own runtime; {_REINSTALL}. "
            "For its author: choose another name"
        )
    return entry


def why_unavailable(entry: RuntimeEntry, device: str | None = None) -> Problem | None:
    """Returns why a runtime cannot be used here, without importing it; None if it looks usable.

    Args:
        entry: The runtime.
        device: Requested device; None for the runtime's default.
    """
    if sys.platform not in entry.platforms:
        where = " and ".join(_PLATFORMS.get(name, name) for name in entry.platforms)
        here = _PLATFORMS.get(sys.platform, sys.platform)
        reason = f"{entry.title} exists on {where}, this is {here}"
        fix = f'run it on {where}; here use load("onnx"), --runtime onnx on the command line'
        return Problem(RuntimeUnavailableError, reason, fix)
    if device is not None and device not in entry.devices:
        reason = f"{entry.title} runs on {' and '.join(entry.devices)}, not on {device!r}"
        return Problem(RuntimeUnavailableError, reason, f"ask for device={entry.devices[0]!r}")
    # Before the packages: without a driver, installing them does not help.
    no_driver = driver_problem() if entry.devices == ("cuda",) else None
    if no_driver is not None:
        reason = f"{entry.title} needs an NVIDIA GPU, and {no_driver}"
        return Problem(RuntimeUnavailableError, reason, FIX)
    absent = missing_packages(entry.requires)
    if absent:
        return Problem(
            MissingDependencyError, missing_message(entry.title, absent), entry.how_to_fix
        )
    return None


def runtime_class(entry: RuntimeEntry) -> type[Runtime[Any]]:
    """Imports a runtime's class. Call `why_unavailable` first.

    Raises:
        RuntimeUnavailableError: If its engine is installed but does not import, or it is not a
            complete subclass of `Runtime`.
    """
    try:
        module = importlib.import_module(entry.module)
        cls: type[Runtime[Any]] = getattr(module, entry.class_name)
    # OSError if a shared library does not load, TypeError if protobuf does not fit, ValueError if
    # it was built for another NumPy, and so on.
    except Exception as error:
        raise RuntimeUnavailableError(
            f"{entry.title} is installed but does not import ({one_line(error)}); "
            f"{entry.how_to_fix}"
        ) from error
    if not isinstance(cls, type) or not issubclass(cls, Runtime) or inspect.isabstract(cls):
        raise RuntimeUnavailableError(
            f"{entry.module}.{entry.class_name} of the runtime {entry.name!r} is not a subclass "
            f"of unmask_sdk.runtimes.base.Runtime with _open and _run; {_REINSTALL}"
        )
    return cls
