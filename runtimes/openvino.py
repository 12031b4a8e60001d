"""OpenVINO on the CPU."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.cpu_features import multiplies_int8_exactly
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError

from .base import Runtime, RuntimeInfo, check_names

# On import, OpenVINO sends telemetry unless its telemetry package cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as ov  # noqa: E402

DEVICE = "CPU"
# Precision hint for each artifact precision. Without it, OpenVINO uses bf16 on CPUs that have it.
# In int8 files the hint applies to the layers that the file does not quantize. Few CPUs compute in
# fp16: fp16 weights are read, and computed with in float32.
_HINTS = {"fp32": "f32", "fp16": "f32", "int8": "f32"}
# The file to read if the artifact is a folder; its weights are next to it.
MODEL = "model.xml"


# By process, because the threads of a core do not exist in a fork.
_CORES: dict[int, ov.Core] = {}


@dataclass(frozen=True)
class Compiled:
    """A compiled model, and one infer request for each thread: a request runs in one at a time."""

    model: ov.CompiledModel
    requests: threading.local = field(default_factory=threading.local)

    def request(self) -> ov.InferRequest:
        """Returns the request of the current thread."""
        if not hasattr(self.requests, "own"):
            self.requests.own = self.model.create_infer_request()
        return self.requests.own


class OpenVINORuntime(Runtime[Compiled]):
    """Runs an ONNX file, or OpenVINO's IR, with OpenVINO's CPU plugin.

    Threads: may be run by many threads at the same time, each with its own request; `threads` is
    the number of threads for one run (None: OpenVINO decides).
    """

    def _open(self, path: Path, device: str, threads: int | None) -> tuple[Compiled, RuntimeInfo]:
        hint = _HINTS[self.artifact.precision]
        settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": hint,
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if self.artifact.precision == "int8" and not multiplies_int8_exactly():
            # Multiplies the file's 8-bit values in float32.
            settings["LP_TRANSFORMS_MODE"] = "NO"
        version = ov.get_version().split("-")[0]
        try:
            core = _process_core()
            graph = core.read_model(path / MODEL if path.is_dir() else path)
            model = core.compile_model(graph, DEVICE, settings)
            inputs = [port.get_any_name() for port in graph.inputs]
            outputs = [port.get_any_name() for port in graph.outputs]
        # The message for a damaged file may quote bytes that are not UTF-8.
        except (RuntimeError, UnicodeDecodeError) as error:
            raise RuntimeUnavailableError(
                f"OpenVINO {version} does not open {path.name} ({one_line(error)}); "
                f"{pip_command('install --upgrade openvino')}"
            ) from error
        check_names(path, self.artifact, inputs, outputs)
        devices = list(model.get_property("EXECUTION_DEVICES"))
        precision = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if devices != [DEVICE] or precision != hint:
            raise DeviceMismatchError(
                f"asked OpenVINO for {hint} on {DEVICE}, got {precision} on {', '.join(devices)}"
            )
        info = RuntimeInfo(
            runtime="openvino",
            provider=f"OpenVINO {version} {DEVICE}",
            device="cpu",
            precision=self.artifact.precision,
            threads=threads,
        )
        return Compiled(model), info

    def _run(self, handle: Compiled, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        try:
            # Copies, because the next run writes over the request's memory.
            return list(handle.request().infer(list(inputs)).values())
        except RuntimeError as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"OpenVINO failed on inputs {shapes}: {one_line(error)}"
            ) from error


def _process_core() -> ov.Core:
    """Returns the only core of this process, which is never closed.

    On Linux, the first model of a core gives the thread that opens it a stack for signal handlers,
    and closing the core unmaps it. A thread that still has it, because other cores were opened
    since or another thread closes the core, crashes at the next signal, such as Ctrl-C.
    """
    core = _CORES.get(os.getpid())
    # One that another thread has added meanwhile is kept; this one has no model then.
    return core or _CORES.setdefault(os.getpid(), ov.Core())
