"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime as ort

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError

from .base import Runtime, RuntimeInfo, check_names
from .onnx_session import CPU_PROVIDER, OPEN_ERRORS, RUN_ERRORS, open_session

# Inputs of more bytes are large: the detector's in a photo or frame of 4K has 4.2 million.
_LARGE = 2_000_000
# ONNX Runtime keeps the memory of a run for the next ones. What a large input took, 50 MB, is
# released after it, which costs 20 ms.
_RELEASE = ort.RunOptions()
_RELEASE.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")


class OnnxRuntime(Runtime[ort.InferenceSession]):
    """Runs an ONNX file with ONNX Runtime's CPU provider.

    Threads: a session may be run by many threads at the same time; `threads` is the number of
    threads for one run (None: one for each physical core).
    """

    # Subclasses for other providers override these.
    name = "onnx"
    provider = CPU_PROVIDER
    provider_options: Mapping[str, str] = {}
    optimize = True
    # Four at once take as long in all, and 20 MB more.
    crops_per_run = 1

    def _mismatch_fix(self) -> str:
        return ""

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[ort.InferenceSession, RuntimeInfo]:
        try:
            session = open_session(
                path,
                threads=threads,
                optimize=self.optimize,
                provider=self.provider,
                provider_options=self.provider_options,
            )
            inputs = [node.name for node in session.get_inputs()]
            outputs = [node.name for node in session.get_outputs()]
        except OPEN_ERRORS as error:
            raise RuntimeUnavailableError(
                f"ONNX Runtime {ort.__version__} does not open {path.name} ({one_line(error)}); "
                f"{pip_command('install --upgrade onnxruntime')}"
            ) from error
        providers = session.get_providers()
        # ONNX Runtime always adds the CPU provider, after the requested one.
        if providers[0] != self.provider:
            raise DeviceMismatchError(
                f"asked ONNX Runtime {ort.__version__} for {self.provider}, "
                f"got {', '.join(providers)}{self._mismatch_fix()}"
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
        large = sum(array.nbytes for array in named.values()) > _LARGE
        outputs: Sequence[AnyArray] = session.run(None, dict(named), _RELEASE if large else None)
        return outputs
