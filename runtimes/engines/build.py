"""Builds an engine from an ONNX file.

The network is strongly typed: the file determines which precision each layer is computed in, and
TensorRT 10, 11 and RTX are called in the same way.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.errors import RuntimeUnavailableError

from .library import Library
from .profiles import Shape
from .progress import Phases

# Memory that kernels may use while they run. By default, TensorRT takes all that is free.
WORKSPACE = 1 << 30
# Free memory that a build must find: TensorRT-RTX takes 0.3 GB for the unmasker; the full one,
# which was not measured, also loads the kernels that it tries out.
NEEDED = 1 << 30

# TensorRT has one logger for the process, so builds run one at a time.
_BUILDING = threading.Lock()


@dataclass(frozen=True)
class Built:
    """A built engine.

    Attributes:
        engine: The serialized engine.
        log: TensorRT's log: severity (`ERROR`, `WARNING`, `INFO`, `VERBOSE`) and text.
    """

    engine: bytes
    log: tuple[tuple[str, str], ...]


def build(
    library: Library,
    onnx: bytes,
    shapes: tuple[Shape, Shape, Shape],
    *,
    capability: str | None = None,
    tell: Callable[[float], None] = lambda fraction: None,
    detailed: bool = False,
) -> Built:
    """Builds an engine.

    Args:
        library: TensorRT.
        onnx: A file with one input.
        shapes: Smallest, best and largest shape of its input.
        capability: Compute capability to build for, such as `8.6`; for TensorRT-RTX, which needs
            no GPU for it. None builds for the GPU of this machine.
        tell: Called with the fraction that is done, 0..1.
        detailed: Whether the log lists every layer with its type.

    Raises:
        RuntimeUnavailableError: If there is too little memory, or TensorRT rejects the file.
        KeyboardInterrupt: After Ctrl-C, once TensorRT has stopped.
    """
    check_memory()
    trt = library.module
    log = logger_of(library)
    with _BUILDING:
        log.records.clear()
        log.interrupt.caught = None
        builder = trt.Builder(log)
        network = builder.create_network(_flags(trt))
        parser = trt.OnnxParser(network, log)
        if not parser.parse(onnx):
            errors = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise RuntimeUnavailableError(
                f"{library.title} does not accept this ONNX file ({errors}); "
                "make one that it accepts with: unmask export trt --precision fp16"
            )
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
        if detailed:
            config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if library.is_rtx and capability is not None:
            config.num_compute_capabilities = 1
            name = f"SM{capability.replace('.', '')}"
            config.set_compute_capability(getattr(trt.ComputeCapability, name), 0)
        profile = builder.create_optimization_profile()
        profile.set_shape(network.get_input(0).name, *shapes)
        config.add_optimization_profile(profile)
        # Kept in a variable, because TensorRT holds no reference.
        monitor = _monitor_type(library)(log.interrupt, tell)
        config.progress_monitor = monitor
        engine = builder.build_serialized_network(network, config)
        if log.interrupt.caught is not None:
            raise log.interrupt.caught
        records = tuple(log.records)
    if engine is None:
        raise RuntimeUnavailableError(
            f"{library.title} could not build the engine ({last_words(records)}); "
            "check that memory is free, and that its version fits the driver"
        )
    return Built(bytes(engine), records)


def last_words(records: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> str:
    """Returns the last error of a log on one line."""
    errors = [text for severity, text in records if severity in ("ERROR", "INTERNAL_ERROR")]
    return " ".join(errors[-1].split()) if errors else "its log has no error"


def check_memory(needed: int = NEEDED) -> None:
    """Raises if there is too little memory for a build: the system would kill the process halfway.

    Raises:
        RuntimeUnavailableError: If less than `needed` bytes are free. If the system does not report
            free memory, nothing is raised.
    """
    free = free_memory()
    if free is not None and free < needed:
        raise RuntimeUnavailableError(
            f"building an engine needs {needed / 1e9:.1f} GB of free memory, there are "
            f"{free / 1e9:.1f}; close other programs or add swap"
        )


def free_memory(file: str = "/proc/meminfo") -> int | None:
    """Returns the free bytes, swap included; None if the system does not report them."""
    try:
        lines = Path(file).read_text().splitlines()
        sizes = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
        return 1024 * (sizes["MemAvailable"] + sizes["SwapFree"])
    except (OSError, KeyError, ValueError, IndexError):
        return None


class _Interrupt:
    """A caught Ctrl-C: TensorRT may call us when it comes, and cannot handle an exception."""

    def __init__(self) -> None:
        self.caught: BaseException | None = None


@functools.cache
def logger_of(library: Library) -> Any:
    """Returns the one logger of a library, which keeps its records."""
    trt = library.module

    class Logger(trt.ILogger):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.records: list[tuple[str, str]] = []
            self.interrupt = _Interrupt()

        def log(self, severity: Any, message: str) -> None:
            try:
                self.records.append((severity.name, message))
            except KeyboardInterrupt as error:
                self.interrupt.caught = error

    return Logger()


@functools.cache
def _monitor_type(library: Library) -> Any:
    trt = library.module

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc,name-defined]
        def __init__(self, interrupt: _Interrupt, tell: Callable[[float], None]) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupt = interrupt
            self.tell = tell
            self.phases = Phases()
            self.lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._guarded(self.phases.start, phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._guarded(self.phases.finish, phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._guarded(self.phases.step, phase_name, step)
            # False asks TensorRT to stop.
            return self.interrupt.caught is None

        def _guarded(self, change: Callable[..., None], *arguments: Any) -> None:
            try:
                with self.lock:
                    change(*arguments)
                    self.tell(self.phases.fraction())
            except BaseException as error:  # noqa: BLE001
                self.interrupt.caught = error

    return Monitor


def _flags(trt: Any) -> int:
    """Returns the flags for a strongly typed network; only TensorRT 10 also has another kind."""
    strongly = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if strongly is None else 1 << int(strongly)
