"""Endurance of a runtime: shared by many threads, and over many runs.

    python -m unmask_sdk.benchmarks.endurance --runtime onnx

Checks that 16 threads that share one model get the results of a single thread, bit for bit, and
that neither memory nor the number of open files grows over 10,000 runs. Prints a line for each;
exit code 1 if a check fails. Run it on your device.
"""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import UnmaskError
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.base import Runtime

# Each result is printed as soon as it is known, also to a file: all of it takes minutes.
say = partial(print, flush=True)

# Memory may grow by this share between the first tenth of the runs and the last.
GROWTH = 0.02
PICTURES = 16


def main(
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "auto",
    precision: Annotated[str, typer.Option(help="Such as int8.")] = "auto",
    runs: Annotated[int, typer.Option(min=10, help="Runs for memory and files.")] = 10_000,
    threads: Annotated[int, typer.Option(min=1, help="Threads that share one model.")] = 16,
    each: Annotated[int, typer.Option(min=1, help="Runs of each thread.")] = 500,
    model: Annotated[
        str | None, typer.Option(help="Unmasker, where a folder holds several.")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="Folder with a manifest.json; the package's own by default.")
    ] = None,
) -> None:
    """Runs one model many times, and in many threads."""
    with open_runtime(
        runtime=runtime, precision=precision, model=model, threads=1, artifacts=artifacts
    ) as it:
        say(f"{it.artifact.name} {it.info.precision} on {it.info.provider}, {it.info.device}")
        side = it.artifact.inputs[0].shape[1] or 256
        images = draw_masked_faces(PICTURES, side, side)[:, None]
        alone = [it.run(image) for image in images]
        wrong = differing(it, images, alone, threads, each)
        say(f"{threads} threads x {each} runs: {wrong} results differ from those of one thread")
        growth, opened = leaks(it, images, runs)
        say(f"{runs} runs: memory grew by {growth:.2%}, open files by {opened}")
    raise SystemExit(0 if wrong == 0 and growth < GROWTH and opened <= 0 else 1)


def differing(
    runtime: Runtime[Any],
    images: UInt8Array,
    alone: list[tuple[UInt8Array, UInt8Array]],
    threads: int,
    each: int,
) -> int:
    """Counts the results of many threads that differ from those of one thread, bit for bit."""

    def work(start: int) -> int:
        wrong = 0
        for turn in range(each):
            k = (start + turn) % len(images)
            answer = runtime.run(images[k])
            wrong += not all(np.array_equal(a, b) for a, b in zip(answer, alone[k], strict=True))
        return wrong

    with ThreadPoolExecutor(threads) as pool:
        return sum(track(pool.map(work, range(threads)), "threads", total=threads))


def leaks(runtime: Runtime[Any], images: UInt8Array, runs: int) -> tuple[float, int]:
    """Returns the growth of resident memory as a fraction, and of the number of open files."""
    early = runs // 10
    before = (0.0, 0)
    for turn in track(range(runs), "runs"):
        if turn == early:
            before = _held()
        runtime.run(images[turn % len(images)])
    after = _held()
    return after[0] / before[0] - 1, after[1] - before[1]


def _held() -> tuple[float, int]:
    """Returns this process's resident memory in bytes and its number of open files (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE")), len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    try:
        typer.run(main)
    except UnmaskError as error:
        sys.exit(f"error: {error}")
