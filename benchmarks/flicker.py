"""Flicker of results on moving faces (`moving_faces.py`).

    python -m unmask_sdk.benchmarks.flicker

For each way of running it prints the mean change from frame to frame in the hole, as a multiple of
the ground truth's: in the image, and in the crop, where the motion is removed. 1 is as calm as the
bare face itself. Then it prints the jitter of the eye points that faces are cropped by, and their
error when the face is fast, in pixels of the frame. `--result FILE` measures a file that
`unmask video` made from the clip instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer

import unmask_sdk
from unmask_sdk.core.arrays import BoolArray, Float64Array, UInt8Array
from unmask_sdk.face import Face
from unmask_sdk.faces.align import CROP_EYES, CROP_SIZE, crop_to_photo, warp_crop
from unmask_sdk.result import Result
from unmask_sdk.video.session import Session

from .moving_faces import EXAMPLES, cast, moments

# A face is fast if it moves by more pixels of the frame than this from one frame to the next.
FAST = 4.0


class Changes:
    """Sums the changes of one sequence of frames."""

    def __init__(self) -> None:
        self._last: tuple[UInt8Array, list[UInt8Array]] | None = None
        self.picture: list[float] = []
        self.crop: list[float] = []

    def add(self, frame: UInt8Array, hole: BoolArray, matrices: list[Float64Array]) -> None:
        """Takes the next frame."""
        crops = [_crop(frame, matrix) for matrix in matrices]
        holes = [warp_crop(hole.astype(np.uint8), m) == 1 for m in matrices]
        if self._last is not None:
            before, old = self._last
            self.picture.append(_change(before, frame, hole))
            changes = [_change(a, b, h) for a, b, h in zip(old, crops, holes, strict=True)]
            self.crop.append(float(np.mean(changes)))
        self._last = frame, crops


class Points:
    """Sums the errors of the eye points of one way of running."""

    def __init__(self) -> None:
        self._last: tuple[Float64Array, Float64Array] | None = None
        self._tremble: list[float] = []
        self._fast: list[float] = []

    def add(self, faces: Sequence[Face], matrices: list[Float64Array]) -> None:
        """Takes the next frame; a frame in which a face was not found is skipped."""
        truth = np.stack([crop_to_photo(matrix, CROP_EYES) for matrix in matrices])
        if len(faces) != len(truth):
            self._last = None
            return
        found = sorted((face.eyes for face in faces), key=lambda eyes: eyes[0, 0])
        error = np.stack(found) - truth
        if self._last is not None:
            before, old = self._last
            moved = np.linalg.norm(truth - old, axis=2).mean(1)
            self._tremble += np.linalg.norm(error - before, axis=2).mean(1).tolist()
            self._fast += np.linalg.norm(error, axis=2).mean(1)[moved > FAST].tolist()
        self._last = error, truth

    def __str__(self) -> str:
        fast = f"{np.mean(self._fast):.2f} px off when fast" if self._fast else "never fast"
        return f"tremble by {np.mean(self._tremble):.2f} px a frame, {fast}"


def _crop(frame: UInt8Array, matrix: Float64Array) -> UInt8Array:
    return warp_crop(frame, matrix, CROP_SIZE)


def _rgb(frame: av.VideoFrame) -> UInt8Array:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _change(before: UInt8Array, after: UInt8Array, hole: BoolArray) -> float:
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
        ways: dict[str, Callable[[UInt8Array], Result]] = {}
        if result is None:
            smooth, plain = Session(model), Session(model, smooth=False)
            ways = {"smooth": smooth, "no smoothing": plain}
        else:
            decoded = av.open(str(result)).decode(video=0)
            ways[result.name] = lambda _: Result(
                np.asarray(next(decoded).to_ndarray(format="rgb24"), np.uint8), (), {}
            )
        truth, changes = Changes(), {name: Changes() for name in ways}
        points = {name: Points() for name in ways}
        for moment in moments(cast(examples), seconds, noise=noise):
            truth.add(moment.bare, moment.hole, moment.matrices)
            for name, way in ways.items():
                seen = way(moment.masked)
                changes[name].add(seen.image, moment.hole, moment.matrices)
                points[name].add(seen.faces, moment.matrices)
    for place in ("picture", "crop"):
        own = float(np.mean(getattr(truth, place)))
        print(f"{place}: the truth changes by {own:.2f} of 255")
        for name, measured in changes.items():
            change = float(np.mean(getattr(measured, place)))
            print(f"  {name}: {change:.2f}, that is {change / own:.2f}x")
    if result is None:
        for name, eyes in points.items():
            print(f"eyes, {name}: {eyes}")


if __name__ == "__main__":
    typer.run(main)
