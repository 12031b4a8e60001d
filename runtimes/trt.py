"""TensorRT on an NVIDIA GPU: TensorRT 10 and 11, and TensorRT for RTX."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.runtimes.engines.build import last_words, logger_of
from unmask_sdk.runtimes.engines.cache import EngineCache
from unmask_sdk.runtimes.engines.library import Library, find_library
from unmask_sdk.runtimes.engines.prepare import prepare
from unmask_sdk.runtimes.engines.profiles import PROFILES, Shape
from unmask_sdk.runtimes.engines.progress import logger

from .base import Runtime, RuntimeInfo, check_names, describe
from .nvidia import find_gpu


class EngineSession:
    """An engine with its execution context, its stream, and GPU memory for the largest batch.

    It serves one run at a time, guarded by `lock`. Stream and memory are freed with the last
    reference.

    Args:
        library: TensorRT.
        engine: The deserialized engine.
        largest: Largest shape of the input.
    """

    def __init__(self, library: Library, engine: Any, largest: Shape) -> None:
        from cuda.bindings import runtime as cudart

        self.cudart = cudart
        self.lock = threading.Lock()
        self.inputs, self.outputs = names_of(library, engine)
        self.context = engine.create_execution_context()
        if self.context is None:
            raise RuntimeUnavailableError(
                f"{library.title} could not make an execution context "
                f"({last_words(logger_of(library).records)}); is memory on the GPU free?"
            )
        self.stream = self.call(cudart.cudaStreamCreate())
        weakref.finalize(self, cudart.cudaStreamDestroy, self.stream)
        self.set_shape(largest)
        self.dtypes = {
            name: np.dtype(library.module.nptype(engine.get_tensor_dtype(name)))
            for name in (*self.inputs, *self.outputs)
        }
        self.memory = {name: self._allocate(name) for name in self.dtypes}

    def _allocate(self, name: str) -> int:
        size = int(np.prod(self.context.get_tensor_shape(name))) * self.dtypes[name].itemsize
        memory: int = self.call(self.cudart.cudaMalloc(size))
        weakref.finalize(self, self.cudart.cudaFree, memory)
        self.context.set_tensor_address(name, memory)
        return memory

    def set_shape(self, shape: Sequence[int]) -> None:
        """Sets the shape of the input, which determines those of the outputs."""
        if not self.context.set_input_shape(self.inputs[0], tuple(shape)):
            raise RuntimeUnavailableError(f"TensorRT does not take an input of shape {list(shape)}")

    def run(self, image: AnyArray) -> list[AnyArray]:
        """Runs one batch that is no larger than the engine takes, and returns fresh arrays."""
        cudart, kinds = self.cudart, self.cudart.cudaMemcpyKind
        self.set_shape(image.shape)
        results = [
            np.empty(tuple(self.context.get_tensor_shape(name)), self.dtypes[name])
            for name in self.outputs
        ]
        self.call(
            cudart.cudaMemcpyAsync(
                self.memory[self.inputs[0]],
                image.ctypes.data,
                image.nbytes,
                kinds.cudaMemcpyHostToDevice,
                self.stream,
            )
        )
        if not self.context.execute_async_v3(int(self.stream)):
            raise RuntimeUnavailableError(f"TensorRT failed on an input of {list(image.shape)}")
        for name, result in zip(self.outputs, results, strict=True):
            self.call(
                cudart.cudaMemcpyAsync(
                    result.ctypes.data,
                    self.memory[name],
                    result.nbytes,
                    kinds.cudaMemcpyDeviceToHost,
                    self.stream,
                )
            )
        self.call(cudart.cudaStreamSynchronize(self.stream))
        return results

    def call(self, answer: tuple[Any, ...]) -> Any:
        """Returns the result of a CUDA call, without the error code that comes first.

        Raises:
            RuntimeUnavailableError: If the code is an error.
        """
        code, *results = answer
        if code != self.cudart.cudaError_t.cudaSuccess:
            _, text = self.cudart.cudaGetErrorString(code)
            raise RuntimeUnavailableError(
                f"CUDA failed: {text.decode(errors='replace')} ({code.name}); check with "
                "nvidia-smi (on a Jetson: tegrastats) that the GPU works and has free memory"
            )
        return results[0] if results else None


class TensorRTRuntime(Runtime[EngineSession]):
    """Runs an ONNX file with TensorRT, on the first GPU.

    The engine is built when it is first needed, which may take minutes, and cached; `unmask build
    trt` builds it ahead of time. `threads` is ignored.

    Threads: may be run by many threads at the same time; their runs take turns, as there is one
    execution context and one stream. Batches larger than the engine takes are run in parts.
    """

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[EngineSession, RuntimeInfo]:
        gpu = find_gpu()
        library = find_library()
        cache = EngineCache()
        key, content = prepare(path, self.artifact, library, gpu, cache)
        engine = deserialize(library, content)
        if engine is None:
            reason = last_words(logger_of(library).records)
            logger.warning("cannot open the engine of %s (%s); building it again", key, reason)
            cache.discard(key)
            key, content = prepare(path, self.artifact, library, gpu, cache)
            engine = deserialize(library, content)
        if engine is None:
            raise RuntimeUnavailableError(
                f"{library.title} does not open the engine that it has just built for {gpu.name} "
                f"({last_words(logger_of(library).records)}); update the NVIDIA driver "
                f"(this one is {gpu.driver})"
            )
        check_names(path, self.artifact, *names_of(library, engine))
        info = RuntimeInfo(
            runtime="trt",
            provider=f"{library.title} on {gpu.name}",
            device="cuda",
            precision=self.artifact.precision,
            threads=None,
        )
        return EngineSession(library, engine, self._shapes()[2]), info

    def _run(self, handle: EngineSession, inputs: Sequence[AnyArray]) -> Sequence[AnyArray]:
        (image,) = inputs
        small, _, large = self._shapes()
        for size, low, high in zip(image.shape[1:], small[1:], large[1:], strict=True):
            if not low <= size <= high:
                raise InvalidInputError(
                    f"engines of {describe(self.artifact.inputs[0])} are built for sides of "
                    f"{low} to {high} pixels; got {list(image.shape)}"
                )
        with handle.lock:
            parts = [
                handle.run(image[start : start + large[0]])
                for start in range(0, len(image), large[0])
            ]
        return (
            parts[0] if len(parts) == 1 else [np.concatenate(p) for p in zip(*parts, strict=True)]
        )

    def _shapes(self) -> tuple[Shape, Shape, Shape]:
        return PROFILES[self.artifact.role].shapes(self.artifact.inputs[0])


def deserialize(library: Library, content: bytes) -> Any:
    """Opens an engine, or returns None if it was built for another GPU, driver or TensorRT."""
    log = logger_of(library)
    log.records.clear()
    return library.module.Runtime(log).deserialize_cuda_engine(content)


def names_of(library: Library, engine: Any) -> tuple[list[str], list[str]]:
    """Returns the names of an engine's inputs and those of its outputs."""
    modes = library.module.TensorIOMode
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == modes.INPUT]
    return inputs, [name for name in names if name not in inputs]
