"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as engine

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.optional_deps import pip
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError

from .base import Runtime, RuntimeInfo, check_names, one_line

PROVIDER = "CPUExecutionProvider"

# ONNX Runtime's own exceptions share no base class but Exception.
OPEN_ERRORS = (
    engine.Fail,
    engine.InvalidArgument,
    engine.InvalidGraph,
    engine.InvalidProtobuf,
    engine.NotImplemented,
    engine.RuntimeException,
    UnicodeDecodeError,  # A damaged file's message may quote bytes that are no text.
)
RUN_ERRORS = (engine.Fail, engine.InvalidArgument, engine.RuntimeException)


class OnnxRuntime(Runtime[ort.InferenceSession]):
    """Runs an ONNX file with ONNX Runtime's CPU provider.

    Threads: a session takes runs from many threads at once; `threads` is the number that work on
    one run (None: as many as there are physical cores).
    """

    # What differs between providers.
    name = "onnx"
    provider = PROVIDER
    provider_options: Mapping[str, str] = {}

    def _mismatch_mend(self) -> str:
        return ""

    def _options(self, threads: int | None) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Each network has threads of its own. Left to spin between runs, those of one take the
        # cores from the next: a photo took 38.9 instead of 22.0 ms (two cores, interleaved).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # x86 CPUs without VNNI add pairs of 8-bit products in 16 bits, which overflow: 36 instead
        # of 55 dB. This takes slower instructions on those CPUs alone.
        options.add_session_config_entry("session.x64quantprecision", "1")
        return options

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[ort.InferenceSession, RuntimeInfo]:
        asked = [(self.provider, dict(self.provider_options))]
        try:
            session = ort.InferenceSession(path, self._options(threads), providers=asked)
            inputs = [node.name for node in session.get_inputs()]
            outputs = [node.name for node in session.get_outputs()]
        except OPEN_ERRORS as error:
            raise RuntimeUnavailableError(
                f"ONNX Runtime {ort.__version__} does not open {path.name} ({one_line(error)}); "
                f"{pip('install --upgrade onnxruntime')}"
            ) from error
        providers = session.get_providers()
        # Beside every other provider ONNX Runtime has that of the CPU, for what runs there best.
        if providers[0] != self.provider:
            raise DeviceMismatchError(
                f"asked ONNX Runtime {ort.__version__} for {self.provider}, "
                f"got {', '.join(providers)}{self._mismatch_mend()}"
            )
        check_names(path, self.artifact, inputs, outputs)
        info = RuntimeInfo(
            runtime=self.name,
            provider=f"ONNX Runtime {ort.__version__} {self.provider}",
            device=device,
            precision=self.artifact.precision,
            threads=threads,
        )
        return session, info

    def _run(self, handle: ort.InferenceSession, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        named = {spec.name: array for spec, array in zip(self.artifact.inputs, inputs, strict=True)}
        try:
            return self._run_session(handle, named)
        except RUN_ERRORS as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"ONNX Runtime failed on inputs {shapes}: {one_line(error)}"
            ) from error

    def _run_session(
        self, session: ort.InferenceSession, named: Mapping[str, AnyArray]
    ) -> Sequence[AnyArray]:
        outputs: Sequence[AnyArray] = session.run(None, dict(named))
        return outputs
