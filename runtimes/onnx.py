"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as engine

from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError
from unmask_sdk.runtimes.base import Array, Runtime, RuntimeInfo, check_names, one_line

PROVIDER = "CPUExecutionProvider"

# ONNX Runtime's own exceptions share no base class but Exception.
OPEN_ERRORS = (
    engine.Fail,
    engine.InvalidArgument,
    engine.InvalidGraph,
    engine.InvalidProtobuf,
    engine.NotImplemented,
    engine.RuntimeException,
)
_RUN_ERRORS = (engine.Fail, engine.InvalidArgument, engine.RuntimeException)


class OnnxRuntime(Runtime[ort.InferenceSession]):
    """Runs an ONNX file with ONNX Runtime's CPU provider.

    Threads: a session takes runs from many threads at once; `threads` is the number that work on
    one run (None: as many as there are physical cores).
    """

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[ort.InferenceSession, RuntimeInfo]:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Each network has threads of its own. Left to spin between runs, those of one take the
        # cores from the next: a photo took 38.9 instead of 22.0 ms (two cores, interleaved).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(path, options, providers=[PROVIDER])
        except OPEN_ERRORS as error:
            raise RuntimeUnavailableError(
                f"ONNX Runtime {ort.__version__} does not open {path.name} ({one_line(error)}); "
                "pip install --upgrade onnxruntime"
            ) from error
        providers = session.get_providers()
        if providers != [PROVIDER]:
            raise DeviceMismatchError(f"asked ONNX Runtime for {PROVIDER}, got {providers}")
        check_names(
            path,
            self.artifact,
            [node.name for node in session.get_inputs()],
            [node.name for node in session.get_outputs()],
        )
        info = RuntimeInfo(
            runtime="onnx",
            provider=f"ONNX Runtime {ort.__version__} {PROVIDER}",
            device="cpu",
            precision=self.artifact.precision,
            threads=threads,
        )
        return session, info

    def _run(self, handle: ort.InferenceSession, inputs: Sequence[Array]) -> Sequence[Array]:
        named = {spec.name: array for spec, array in zip(self.artifact.inputs, inputs, strict=True)}
        try:
            outputs: Sequence[Array] = handle.run(None, named)
        except _RUN_ERRORS as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"ONNX Runtime failed on inputs {shapes}: {one_line(error)}"
            ) from error
        return outputs
