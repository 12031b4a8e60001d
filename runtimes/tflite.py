"""LiteRT (TensorFlow Lite) on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.quiet import logged_stderr
from unmask_sdk.errors import ArtifactError, RuntimeUnavailableError

from .base import Runtime, RuntimeInfo, check_names

# One engine under its new name and its old one. The new one is preferred: the last version under
# the old name takes three times as long in fp32 and twenty times as long in int8.
if find_spec("ai_edge_litert") is not None:
    from ai_edge_litert.interpreter import Interpreter

    ENGINE = f"LiteRT {version('ai-edge-litert')}"
else:
    ENGINE = f"TensorFlow Lite {version('tflite-runtime')}"
    if not np.__version__.startswith("1."):
        # All its versions are built for NumPy 1; with NumPy 2 it crashes without a message.
        raise ImportError(
            f"tflite-runtime {version('tflite-runtime')} takes NumPy 1, and NumPy "
            f"{np.__version__} is installed"
        )
    from tflite_runtime.interpreter import Interpreter

_ERRORS = (RuntimeError, ValueError)


@dataclass(frozen=True)
class Loaded:
    """An interpreter with its memory, and the indices of its input and output tensors."""

    interpreter: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Interpreters:
    """A pool of interpreters of one file; each serves one run at a time.

    Every interpreter has its own copy of the weights, packed for this CPU, and its own working
    memory, which matters on a small board. So the pool starts with one, adds another only if runs
    overlap, and has at most as many as the cores serve: further runs wait.
    """

    def __init__(self, file: Path, artifact: Artifact, threads: int | None) -> None:
        # Read once, so that interpreters made later have the same content.
        self._content = file.read_bytes()
        self._file = file
        self._artifact = artifact
        self._threads = threads
        self._places = threading.Semaphore(max(1, usable_cpus() // (threads or 1)))
        self._idle = [self._load()]

    @contextmanager
    def lent(self) -> Iterator[Loaded]:
        """Yields an interpreter that no other run uses at the same time."""
        with self._places:
            try:
                loaded = self._idle.pop()
            except IndexError:
                loaded = self._load()
            try:
                yield loaded
            finally:
                self._idle.append(loaded)

    def _load(self) -> Loaded:
        # "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
        with logged_stderr(r"(INFO|WARNING): |[IW]\d{4} "):
            interpreter = Interpreter(model_content=self._content, num_threads=self._threads)
            interpreter.allocate_tensors()
        signatures = interpreter.get_signature_list()
        if len(signatures) != 1:
            raise ArtifactError(
                f"{self._file.name} has {len(signatures)} signatures, not one; export it again "
                "with: unmask export tflite"
            )
        ((key, names),) = signatures.items()
        # The engine lists names in alphabetical order, not in the order of the graph.
        order = [spec.name for spec in (*self._artifact.inputs, *self._artifact.outputs)]
        inputs, outputs = (
            sorted(names[kind], key=lambda name: order.index(name) if name in order else len(order))
            for kind in ("inputs", "outputs")
        )
        check_names(self._file, self._artifact, inputs, outputs)
        runner = interpreter.get_signature_runner(key)
        taken, given = runner.get_input_details(), runner.get_output_details()
        return Loaded(
            interpreter,
            tuple(taken[name]["index"] for name in inputs),
            tuple(given[name]["index"] for name in outputs),
        )


class TFLiteRuntime(Runtime[Interpreters]):
    """Runs a TFLite file with LiteRT, or with the older tflite-runtime where LiteRT is missing.

    Threads: may be run by many threads at the same time, see `Interpreters`; `threads` is the
    number of threads for one run (None: one).
    """

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[Interpreters, RuntimeInfo]:
        try:
            interpreters = Interpreters(path, self.artifact, threads)
        except _ERRORS as error:
            raise RuntimeUnavailableError(
                f"{ENGINE} does not open {path.name} ({one_line(error)}); "
                f"{pip_command('install --upgrade ai-edge-litert')}"
            ) from error
        with interpreters.lent() as loaded:
            delegated = _is_delegated(loaded.interpreter)
        info = RuntimeInfo(
            runtime="tflite",
            provider=f"{ENGINE} {'XNNPACK' if delegated else 'without XNNPACK'}",
            device="cpu",
            precision=self.artifact.precision,
            threads=threads,
        )
        return interpreters, info

    def _run(self, handle: Interpreters, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        try:
            with handle.lent() as loaded:
                for index, array in zip(loaded.inputs, inputs, strict=True):
                    loaded.interpreter.set_tensor(index, array)
                loaded.interpreter.invoke()
                # Copies, because the next run writes over the interpreter's memory.
                return [loaded.interpreter.get_tensor(index) for index in loaded.outputs]
        except _ERRORS as error:
            shapes = [list(array.shape) for array in inputs]
            raise RuntimeUnavailableError(
                f"{ENGINE} failed on inputs {shapes}: {one_line(error)}"
            ) from error


def _is_delegated(interpreter: Any) -> bool:
    """Returns whether XNNPACK, the only delegate used by default, runs any operators."""
    # There is no public way to ask.
    return any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())
