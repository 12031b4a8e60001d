"""Measures what a photo costs beyond its networks, on one thread.

    python -m unmask_sdk.benchmarks.photo_cost

A photo of 1280x720 with one masked face, and one with fifty, go through `model(photo)`, in turns
with only the networks that they ran, on the same inputs. Prints milliseconds of CPU time and
checks two limits: a photo with one face takes at most 1.10 times its networks plus 3 ms, and one
with fifty at most fifty times the networks of one face (two runs of the aligner, one of the
unmasker). Exit code 1 if a limit is exceeded. Run it on your device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import cv2
import numpy as np
import typer

import unmask_sdk
from unmask_sdk.benchmarks.latency.measure import Call, interleave
from unmask_sdk.calibration.calibration_set import read_images
from unmask_sdk.core.arrays import Float64Array

WIDTH, HEIGHT = 1280, 720
SHARE, SPARE = 1.10, 3.0
COLUMNS, ROWS = 10, 5


def one_face(side: int) -> np.ndarray:
    """Returns a gray photo with one masked synthetic face, in a crop of `side` pixels."""
    photo = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    top, left = (HEIGHT - side) // 2, (WIDTH - side) // 2
    photo[top : top + side, left : left + side] = _sized(read_images().images[0], side)
    return photo


def fifty_faces() -> np.ndarray:
    """Returns the same with fifty faces, in rows."""
    photo = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    images = read_images().images
    side = WIDTH // COLUMNS
    for number in range(COLUMNS * ROWS):
        top, left = number // COLUMNS * (HEIGHT // ROWS), number % COLUMNS * side
        photo[top : top + side, left : left + side] = _sized(images[number % len(images)], side)
    return photo


def _sized(crop: np.ndarray, side: int) -> np.ndarray:
    shrinks = side < len(crop)
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side, side), interpolation=how))


def network_runs(model: unmask_sdk.Unmasker, photo: np.ndarray) -> dict[str, list[Call]]:
    """Returns the runs of each network that a photo causes, to do again."""
    locator = model.locator
    places = {
        "detector": (locator._detector, "run_named"),
        "aligner": (locator._aligner, "run_named"),
        "unmasker": (model._runtime, "run"),
    }
    runs: dict[str, list[Call]] = {name: [] for name in places}
    with ExitStack() as stack:
        for name, (runtime, method) in places.items():
            stack.enter_context(_recorded(runtime, method, runs[name]))
        model(photo)
    return runs


@contextmanager
def _recorded(runtime: Any, method: str, runs: list[Call]) -> Iterator[None]:
    run: Callable[..., Any] = getattr(runtime, method)

    def recorded(*given: Any, **named: Any) -> Any:
        runs.append(lambda: run(*given, **named))
        return run(*given, **named)

    setattr(runtime, method, recorded)
    try:
        yield
    finally:
        delattr(runtime, method)


def _in_a_row(calls: list[Call]) -> Call:
    def work() -> None:
        for call in calls:
            call()

    return work


def main(
    rounds: Annotated[int, typer.Option(min=3)] = 60,
    side: Annotated[int, typer.Option(min=60, max=HEIGHT, help="Of the one face's crop.")] = 256,
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "onnx",
    model: Annotated[str | None, typer.Option(help="Name of the unmasker.")] = None,
) -> None:
    """Measures both photos."""
    cv2.setNumThreads(1)
    with unmask_sdk.load(runtime, model=model, threads=1) as it:
        one, fifty = one_face(side), fifty_faces()
        found = [sum(face.masked for face in it(photo).faces) for photo in (one, fifty)]
        if found != [1, COLUMNS * ROWS]:
            raise SystemExit(f"error: found {found} masked faces, expected [1, {COLUMNS * ROWS}]")
        runs = network_runs(it, one)
        kinds = {name: _in_a_row(calls) for name, calls in runs.items()}
        taken = interleave({"photo": lambda: it(one), **kinds}, rounds)
        many = interleave({"photo": lambda: it(fifty)}, max(3, rounds // 10))["photo"]
    each = {name: 1000 * np.array(taken[name].cpu, np.float64) for name in taken}
    networks = np.sum([each[name] for name in kinds], axis=0)
    own = each["aligner"] + each["unmasker"]
    cost, bound = _median(each["photo"]), _median(SHARE * networks + SPARE)
    for name in kinds:
        print(f"{name}: {len(runs[name])} runs, {_median(each[name]):.2f} ms")
    print(f"one face: {cost:.2f} ms, networks {_median(networks):.2f} ms")
    print(f"  beyond the networks: {_median(each['photo'] - networks):.2f} ms")
    print(f"  of what is allowed (1.10 x networks + 3 ms = {bound:.2f} ms): {cost / bound:.3f}")
    whole = _median(1000 * np.array(many.cpu))
    fiftyfold = 50 * _median(own)
    print(f"fifty faces: {whole:.1f} ms")
    print(f"  of fifty times one face's networks ({fiftyfold:.1f} ms): {whole / fiftyfold:.3f}")
    print(f"  of fifty times the photo with one face: {whole / (50 * cost):.3f}")
    raise SystemExit(0 if cost <= bound and whole <= fiftyfold else 1)


def _median(values: Float64Array) -> float:
    return float(np.median(values))


if __name__ == "__main__":
    typer.run(main)
