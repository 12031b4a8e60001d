"""The interface of every runtime.

A runtime opens one artifact and runs it. Subclasses implement two methods, `_open` and `_run`; the
checks are here. Batches may have any size: if the graph takes one image at a time, `_run` is called
for each.

Threads: many threads may run one runtime at the same time, and any of them may close it. Runs that
have begun finish; later ones raise. Outputs are fresh arrays that belong to the caller.

Processes: in a forked child, the runtimes of the parent raise; the child opens its own (`fork.py`).

DLPack: inputs may be CPU tensors of other libraries; they are read without a copy. Outputs are
NumPy arrays, which those libraries take in the same way: `torch.from_dlpack(unmasked)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.closable import Closable
from unmask_sdk.core.error_text import one_line, one_line_with_type
from unmask_sdk.core.manifest import Artifact, TensorSpec
from unmask_sdk.core.validate import check_integer
from unmask_sdk.errors import (
    ArtifactError,
    InvalidInputError,
    RuntimeUnavailableError,
    UnmaskError,
)

from .fork import give_up_after_fork, never_free

Handle = TypeVar("Handle")

# No CPU has more, and engines fail in different ways when they run out of memory for threads.
MAX_THREADS = 1024


class Tensor(Protocol):
    """An array of any library that supports DLPack."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class RuntimeInfo:
    """What a runtime runs on, as the engine reports it after opening.

    Attributes:
        runtime: Name in the registry.
        provider: The engine's name for its backend, with its version.
        device: `cpu`, `cuda`, or which units Core ML may use: `all`, `gpu` or `ane`.
        precision: Precision of the artifact that runs.
        threads: Threads for one run; None where the engine decides.
    """

    runtime: str
    provider: str
    device: str
    precision: str
    threads: int | None


class Runtime(Closable, ABC, Generic[Handle]):
    """One opened artifact.

    Args:
        path: The artifact's file, its digest already checked.
        artifact: Its manifest entry.
        device: `cpu`, `cuda`, or which units Core ML may use: `all`, `gpu` or `ane`.
        threads: Threads for one run, 1 to `MAX_THREADS`; None leaves it to the engine.

    Raises:
        InvalidInputError: If `threads` is out of range.
        RuntimeUnavailableError: If the engine cannot open the artifact on this device.
        ArtifactError: If the inputs and outputs of the file are not those of the entry.

    Attributes:
        crops_per_run: Crops that are given to the unmasker at once, at most. With 8, no engine is
            faster on a CPU (docs/benchmarks.md), and more memory is used.
    """

    crops_per_run: ClassVar[int] = 4

    def __init__(
        self, path: Path, artifact: Artifact, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        if threads is not None:
            check_integer("threads", threads, 1, MAX_THREADS)
        self.artifact = artifact
        # Checked in each run; the batch may have any size, whatever the graph takes.
        self._takes = tuple(map(_any_batch, artifact.inputs))
        self._gives = tuple(map(_any_batch, artifact.outputs))
        # Each run gets the handle as an argument, so that closing does not free it during a run.
        self._handle: Handle | None
        self._handle, self.info = self._try_open(
            path, device, None if threads is None else int(threads)
        )
        self._inherited = False
        give_up_after_fork(self)

    @abstractmethod
    def _open(self, path: Path, device: str, threads: int | None) -> tuple[Handle, RuntimeInfo]:
        """Opens the file.

        Returns:
            The handle for `_run`, any object but None; and what the engine runs on, as it reports
            it.

        Raises:
            RuntimeUnavailableError: If the engine cannot open the file. What is raised other than
                an `UnmaskError` becomes one, with the exception as its cause.
        """

    @abstractmethod
    def _run(self, handle: Handle, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        """Runs checked, contiguous inputs, in the order of `artifact.inputs`.

        Returns:
            Fresh arrays, in the order of `artifact.outputs`.

        Raises:
            RuntimeUnavailableError: If the engine fails. What is raised other than an
                `UnmaskError` becomes one, with the exception as its cause.
        """

    def run_named(self, **inputs: AnyArray | Tensor) -> dict[str, AnyArray]:
        """Runs the graph on named arrays.

        Args:
            **inputs: One array for each input of `artifact.inputs`, with its dtype and shape: a
                NumPy array, or a CPU tensor with `__dlpack__`. If it is not C-contiguous, it is
                copied. For an empty batch the outputs are empty (and 0 wherever the entry leaves a
                dimension open).

        Returns:
            Output names to fresh arrays.

        Raises:
            InvalidInputError: If names, dtypes or shapes are not those of the artifact.
            RuntimeUnavailableError: If the runtime is closed, or the engine fails.
            ArtifactError: If an output differs from the entry in dtype or shape.
        """
        handle = self._handle
        if handle is None:
            raise RuntimeUnavailableError(self._why_closed())
        if inputs.keys() != {spec.name for spec in self._takes}:
            raise InvalidInputError(
                f"{self.artifact.name} takes the inputs {[s.name for s in self._takes]}; "
                f"got {sorted(inputs)}"
            )
        arrays = [_checked(spec, inputs[spec.name]) for spec in self._takes]
        if any(array.shape[0] == 0 for array in arrays):
            return {
                s.name: np.zeros([0, *(d or 0 for d in s.shape[1:])], s.dtype)
                for s in self.artifact.outputs
            }
        if self.artifact.inputs[0].shape[0] is None:
            outputs = self._try_run(handle, arrays)
        else:
            outputs = self._run_one_by_one(handle, arrays)
        for spec, output in zip(self._gives, outputs, strict=True):
            if not _fits(spec, output):
                raise self._misfit(spec, output)
        return {s.name: o for s, o in zip(self.artifact.outputs, outputs, strict=True)}

    def _run_one_by_one(self, handle: Handle, arrays: Sequence[AnyArray]) -> Sequence[AnyArray]:
        results = [
            self._try_run(handle, [array[k : k + 1] for array in arrays])
            for k in range(len(arrays[0]))
        ]
        # Concatenating a single result would copy it, which takes some percent of a run.
        if len(results) == 1:
            return results[0]
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def _try_open(self, path: Path, device: str, threads: int | None) -> tuple[Handle, RuntimeInfo]:
        """Calls `_open`, and checks what another package's code may get wrong."""
        handle, info = self._open(path, device, threads)
        if handle is None or not isinstance(info, RuntimeInfo):
            raise RuntimeUnavailableError(
                f"{_full_name(self)}._open returned {type(handle).__name__} and "
                f"{type(info).__name__}, not a handle other than None and a RuntimeInfo; "
                f"{self._whom_to_ask()}"
            )
        return handle, info

    def _try_run(self, handle: Handle, arrays: Sequence[AnyArray]) -> Sequence[AnyArray]:
        """Calls `_run`, and checks what another package's code may get wrong."""
        try:
            outputs = self._run(handle, arrays)
        except UnmaskError:
            raise
        except Exception as error:
            shapes = [list(array.shape) for array in arrays]
            raise RuntimeUnavailableError(
                f"{_full_name(self)} fails on {self.artifact.name} with inputs {shapes} "
                f"({one_line_with_type(error)}); {self._whom_to_ask()}"
            ) from error
        wanted = len(self._gives)
        if (
            not isinstance(outputs, Sequence)
            or len(outputs) != wanted
            or not all(isinstance(output, np.ndarray) for output in outputs)
        ):
            raise RuntimeUnavailableError(
                f"{_full_name(self)}._run returned {_named_types(outputs)} for "
                f"{self.artifact.name}, not {wanted} NumPy arrays; {self._whom_to_ask()}"
            )
        return outputs

    def _misfit(self, spec: TensorSpec, output: AnyArray) -> UnmaskError:
        found = (
            f"returned {output.dtype} {list(output.shape)} for {describe(spec)} of "
            f"{self.artifact.name}"
        )
        if _package(self) != _package(Runtime):
            return RuntimeUnavailableError(f"{_full_name(self)} {found}; {self._whom_to_ask()}")
        return ArtifactError(
            f"{_full_name(self)} {found}: file and manifest do not belong together; export it again"
        )

    def _whom_to_ask(self) -> str:
        """Returns what fixes an error of a subclass, for its users and its authors."""
        alone = ""
        if _package(self) != _package(Runtime) and self.artifact.role != "unmasker":
            alone = (
                "; a runtime of the unmasker alone has the argument roles=('unmasker',) in its "
                "RuntimeEntry"
            )
        return f"use another runtime, and report this to the authors of {_package(self)}{alone}"

    def run(
        self, images: UInt8Array | Tensor, *, out: tuple[UInt8Array, UInt8Array] | None = None
    ) -> tuple[UInt8Array, UInt8Array]:
        """Removes the masks from aligned crops; for artifacts of the role `unmasker`.

        Args:
            images: uint8 `[N, 256, 256, 3]` RGB canonical crops, a NumPy array or a CPU tensor with
                `__dlpack__`; N may be 0.
            out: Two arrays to write to and return instead of fresh ones, with the dtypes and shapes
                of the results.

        Returns:
            The unmasked crops, uint8 `[N, 256, 256, 3]`, and the masks, uint8 `[N, 256, 256, 1]`
            (128 to 255: mask; 1 to 127: the seam around it; 0: unchanged).

        Raises:
            InvalidInputError: If `images` or `out` has another dtype or shape, or this is not an
                unmasker.
            RuntimeUnavailableError: If the runtime is closed, or the engine fails.
        """
        if self.artifact.role != "unmasker":
            raise InvalidInputError(
                f"{self.artifact.name} is a {self.artifact.role}, not an unmasker; use run_named"
            )
        named = self.run_named(image=images)
        results = named["unmasked"], named["mask"]
        if out is None:
            return results
        for target, result in zip(out, results, strict=True):
            if target.dtype != result.dtype or target.shape != result.shape:
                raise InvalidInputError(
                    f"out must be {result.dtype} {list(result.shape)}; "
                    f"got {target.dtype} {list(target.shape)}"
                )
            np.copyto(target, result)
        return out

    def _why_closed(self) -> str:
        if self._inherited:
            return (
                f"this {self.info.runtime} runtime was opened before a fork, and engines do not "
                "survive one; call unmask_sdk.load() in the worker process (docs/workers.md)"
            )
        return f"this {self.info.runtime} runtime is closed; open another with unmask_sdk.load()"

    def give_up(self) -> None:
        """Abandons the engine in a forked child; it is not freed there (`fork.py`)."""
        if self._handle is not None:
            never_free(self._handle)
            self._handle, self._inherited = None, True

    def close(self) -> None:
        """Releases the engine. May be called twice."""
        self._handle = None


def check_names(
    file: Path, artifact: Artifact, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Raises if the inputs and outputs of a file are not those of its entry.

    Args:
        file: The file, named in the error.
        artifact: Its entry.
        inputs: Names of its inputs, in the engine's order.
        outputs: Names of its outputs, in the engine's order.

    Raises:
        ArtifactError: With the names in the file and in the entry.
    """
    for kind, actual, specs in (
        ("inputs", inputs, artifact.inputs),
        ("outputs", outputs, artifact.outputs),
    ):
        expected = [spec.name for spec in specs]
        if list(actual) != expected:
            raise ArtifactError(f"{file.name} has {kind} {list(actual)}, its entry says {expected}")


def _full_name(runtime: Runtime[Any]) -> str:
    return f"{type(runtime).__module__}.{type(runtime).__qualname__}"


def _package(runtime: Runtime[Any] | type[Runtime[Any]]) -> str:
    """Returns the top-level package of a runtime's class."""
    cls = runtime if isinstance(runtime, type) else type(runtime)
    return cls.__module__.partition(".")[0]


def _named_types(outputs: Any) -> str:
    if not isinstance(outputs, (list, tuple)):
        return type(outputs).__name__
    return f"[{', '.join(type(output).__name__ for output in outputs)}]"


def describe(spec: TensorSpec) -> str:
    """Returns a spec as text, such as `image: uint8 [*, 256, 256, 3]`."""
    dims = ", ".join("*" if d is None else str(d) for d in spec.shape)
    return f"{spec.name}: {spec.dtype} [{dims}]"


def _any_batch(spec: TensorSpec) -> TensorSpec:
    return replace(spec, shape=(None, *spec.shape[1:]))


def _fits(spec: TensorSpec, array: AnyArray) -> bool:
    if array.dtype != spec.dtype or array.ndim != len(spec.shape):
        return False
    # Fast path: most graphs leave nothing open but the batch.
    return (None, *array.shape[1:]) == spec.shape or all(
        d is None or d == size for d, size in zip(spec.shape, array.shape, strict=True)
    )


def as_array(name: str, given: Any) -> AnyArray:
    """Returns a NumPy array that shares the memory of an array or tensor.

    Args:
        name: Name of the argument, for the error.
        given: A NumPy array, or a tensor with `__dlpack__` whose memory the CPU can read.

    Raises:
        InvalidInputError: If it is neither.
    """
    if isinstance(given, np.ndarray):
        return given
    if not hasattr(given, "__dlpack__"):
        raise InvalidInputError(
            f"{name} must be a NumPy array, or a CPU tensor that supports DLPack; "
            f"got {type(given).__name__}"
        )
    try:
        array: AnyArray = np.from_dlpack(given)
    # Each library raises its own exceptions for tensors that it cannot export.
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name}, a {type(given).__name__}, cannot be read through DLPack ({one_line(error)}); "
            "copy it to the CPU, or pass a NumPy array"
        ) from error
    return array


def _checked(spec: TensorSpec, given: Any) -> AnyArray:
    array = as_array(spec.name, given)
    if not _fits(spec, array):
        single = list(array.shape) == list(spec.shape[1:])
        fix = "; a single crop is a batch of one: crop[None]" if single else ""
        raise InvalidInputError(
            f"the graph takes {describe(spec)}; got {array.dtype} {list(array.shape)}{fix}"
        )
    return np.ascontiguousarray(array)
