"""How much a result flickers, on faces that move (`moving_faces.py`). Run it::

    python -m unmask_sdk.benchmarks.flicker

For each way of running it prints the mean change from frame to frame in the hole, as a multiple of
the truth's: seen in the picture, and with the motion taken out, in the crop. 1 is as calm as the
bare face itself. `--result FILE` measures a file made from the clip by `unmask video` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer

import unmask_sdk
from unmask_sdk.align import CROP_SIZE, warp_crop
from unmask_sdk.session import Session

from .moving_faces import EXAMPLES, cast, moments

Frames = Iterator[np.ndarray]


class Changes:
    """Sums the changes of one sequence of frames."""

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, list[np.ndarray]] | None = None
        self.picture: list[float] = []
        self.crop: list[float] = []

    def add(self, frame: np.ndarray, hole: np.ndarray, matrices: list[np.ndarray]) -> None:
        """Takes the next frame."""
        crops = [_crop(frame, matrix) for matrix in matrices]
        holes = [warp_crop(hole.astype(np.uint8), m) == 1 for m in matrices]
        if self._last is not None:
            before, old = self._last
            self.picture.append(_change(before, frame, hole))
            changes = [_change(a, b, h) for a, b, h in zip(old, crops, holes, strict=True)]
            self.crop.append(float(np.mean(changes)))
        self._last = frame, crops


def _crop(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return warp_crop(frame, matrix, CROP_SIZE)


def _change(before: np.ndarray, after: np.ndarray, hole: np.ndarray) -> float:
    return float(np.abs(after[hole].astype(np.int16) - before[hole]).mean())


def main(
    seconds: Annotated[float, typer.Option(min=0.1)] = 20.0,
    noise: Annotated[float, typer.Option(min=0, help="Of the camera, of 255.")] = 2.0,
    result: Annotated[Path | None, typer.Option(help="Result of `unmask video`.")] = None,
    examples: Annotated[Path, typer.Option(help="Folder of the pictures.")] = EXAMPLES,
    runtime: str = "onnx",
) -> None:
    """Measures flicker."""
    with unmask_sdk.load(runtime, threads=1) as model:
        ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        if result is None:
            smooth, plain = Session(model), Session(model, smooth=False)
            ways["smooth"] = lambda frame: smooth(frame).image
            ways["no smoothing"] = lambda frame: plain(frame).image
        else:
            decoded = av.open(str(result)).decode(video=0)
            ways[result.name] = lambda _: next(decoded).to_ndarray(format="rgb24")
        truth, changes = Changes(), {name: Changes() for name in ways}
        for moment in moments(cast(examples), seconds, noise=noise):
            truth.add(moment.bare, moment.hole, moment.matrices)
            for name, way in ways.items():
                changes[name].add(way(moment.masked), moment.hole, moment.matrices)
    for place in ("picture", "crop"):
        own = float(np.mean(getattr(truth, place)))
        print(f"{place}: the truth changes by {own:.2f} of 255")
        for name, measured in changes.items():
            change = float(np.mean(getattr(measured, place)))
            print(f"  {name}: {change:.2f}, that is {change / own:.2f}x")


if __name__ == "__main__":
    typer.run(main)
