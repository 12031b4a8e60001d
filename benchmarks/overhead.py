"""Measures what `Runtime.run` adds to the engine's own call.

    python -m unmask_sdk.benchmarks.overhead --artifacts DIR

Both are called in turns on one image with one thread. CPU time is measured, so that other work on
the machine hardly matters. Exit code 1 if a runtime adds more than 3 % and more than 0.1 ms. Run
it on your device.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask_sdk.benchmarks.latency.bench import CANNOT
from unmask_sdk.benchmarks.parity.cases import select
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import UnmaskError
from unmask_sdk.runtimes.base import Runtime

SHARE, MILLISECONDS = 0.03, 0.1
ROUNDS, WARM_UP = 300, 10


@dataclass(frozen=True)
class Overhead:
    """What a runtime adds to one call.

    Attributes:
        bare_ms: Median of the engine's own call.
        added_ms: Median of the differences between adjacent calls.
    """

    bare_ms: float
    added_ms: float

    @property
    def small(self) -> bool:
        """Whether it is within the share or the milliseconds allowed."""
        return self.added_ms <= max(SHARE * self.bare_ms, MILLISECONDS)


def measure(runtime: Runtime[Any], image: UInt8Array, rounds: int = ROUNDS) -> Overhead:
    """Calls engine and runtime in turns, each as often first as second."""
    calls: dict[str, Callable[[], object]] = {
        "bare": BARE[runtime.info.runtime](runtime._handle, image),
        "run": lambda: runtime.run(image),
    }
    pairs = []
    for turn in range(WARM_UP + rounds):
        order = list(calls) if turn % 2 else list(calls)[::-1]
        taken = {name: _milliseconds(calls[name]) for name in order}
        pairs.append((taken["bare"], taken["run"] - taken["bare"]))
    return Overhead(*(statistics.median(column) for column in zip(*pairs[WARM_UP:], strict=True)))


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def _onnx(handle: Any, image: UInt8Array) -> Callable[[], object]:
    return lambda: handle.run(None, {"image": image})


def _openvino(handle: Any, image: UInt8Array) -> Callable[[], object]:
    request = handle.request()
    return lambda: request.infer([image])


def _tflite(handle: Any, image: UInt8Array) -> Callable[[], object]:
    with handle.lent() as loaded:
        pass

    def call() -> object:
        loaded.interpreter.set_tensor(loaded.inputs[0], image)
        loaded.interpreter.invoke()
        return [loaded.interpreter.get_tensor(index) for index in loaded.outputs]

    return call


def _torch(handle: Any, image: UInt8Array) -> Callable[[], object]:
    import torch

    def call() -> object:
        with torch.inference_mode():
            return [output.numpy() for output in handle(torch.from_numpy(image))]

    return call


# The engine's own call from a NumPy array to NumPy arrays, as its documentation shows it.
BARE: dict[str, Callable[[Any, UInt8Array], Callable[[], object]]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "tflite": _tflite,
    "torch": _torch,
}


def main(
    artifacts: Annotated[
        Path | None, typer.Option(help="Folder with a manifest.json; the package's own by default.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Unmaskers to take; all by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Pairs of calls.")] = ROUNDS,
) -> None:
    """Measures what every runtime adds to its engine's own call."""
    print("| case | engine ms | added ms | added % |\n| --- | --- | --- | --- |")
    large = []
    for case in select(artifacts, models=model or ()).cases:
        if case.entry.name not in BARE:
            continue
        try:
            opened = case.open(threads=1)
        except CANNOT as error:
            print(f"{case.name} left out: {error}", file=sys.stderr)
            continue
        with opened as runtime:
            found = measure(runtime, draw_masked_faces(1, case.size, case.size), rounds)
        share = found.added_ms / found.bare_ms
        print(f"| {case.name} | {found.bare_ms:.2f} | {found.added_ms:.3f} | {share:.1%} |")
        large += [] if found.small else [case.name]
    if large:
        sys.exit(f"error: too much is added: {', '.join(large)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except UnmaskError as error:
        sys.exit(f"error: {error}")
