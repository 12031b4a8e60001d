"""The measurements of `unmask bench`; each group is a function in `GROUPS`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import unmask_sdk
from unmask_sdk.benchmarks.parity.cases import Case
from unmask_sdk.calibration.calibration_set import read_images
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError, UnmaskError
from unmask_sdk.loading.limits import psnr_of

from .energy import energy_of
from .measure import in_turns, interleave, ratio, timed, warm_up, yardstick

Progress = Callable[[str], object]
YARDSTICK = "yardstick"
# Errors of one case that do not stop the others.
CANNOT = (RuntimeUnavailableError, DeviceMismatchError)


@dataclass(frozen=True)
class Plan:
    """How many runs are measured.

    Attributes:
        rounds: Runs of each case on one crop.
        photos: Runs of each case on a photo.
        batches: Batch sizes.
        batch_rounds: Runs of each batch size.
        threads: Numbers of threads.
        starts: Fresh processes of each case.
        energy: Whether to measure energy, where the device has a counter.
    """

    rounds: int = 50
    photos: int = 15
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    batch_rounds: int = 3
    threads: tuple[int, ...] = (1,)
    starts: int = 3
    energy: bool = True


@dataclass(frozen=True)
class Measurement:
    """The runs of one benchmark.

    Attributes:
        group: The group's name.
        case: Name of the case.
        params: What distinguishes it from others of the group and case.
        seconds: Of each run.
        extra: Values that are no times, or not of each run.
    """

    group: str
    case: str
    params: dict[str, Any]
    seconds: list[float]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique in one file, such as `batch[unmask-256 fp32 on onnx-8]`."""
        return f"{self.group}[{'-'.join([self.case, *map(str, self.params.values())])}]"


def crop(cases: Sequence[Case], plan: Plan, progress: Progress) -> list[Measurement]:
    """Measures one crop on one thread, all cases in turns."""
    with ExitStack() as stack:
        runtimes = {case.name: stack.enter_context(case.open(threads=1)) for case in cases}
        calls: dict[str, Callable[[], object]] = {YARDSTICK: yardstick()}
        for case in cases:
            calls[case.name] = partial(runtimes[case.name].run, _crops(case, 1))
        progress(f"crop: {len(cases)} cases in turns, {plan.rounds} rounds")
        taken = interleave(calls, plan.rounds)
        found = []
        for case in cases:
            base = baseline(case, cases)
            quality = psnr_of(case.artifact)
            info = runtimes[case.name].info
            here, there = taken[case.name], taken[base.name]
            both = {info.device, runtimes[base.name].info.device}
            extra: dict[str, Any] = {
                "provider": info.provider,
                "device": info.device,
                "baseline": base.name,
                "ratio": round(ratio(here, there, on_cpu=both == {"cpu"}), 4),
                "yardsticks": round(ratio(here, taken[YARDSTICK], on_cpu=info.device == "cpu"), 4),
                "cpu_ms": round(1000 * float(np.median(here.cpu)), 3),
                "bytes": case.artifact.total_bytes,
                "sha256": case.artifact.sha256,
                "certificate_psnr_db": quality if math.isfinite(quality) else None,
            }
            used = energy_of(calls[case.name]) if plan.energy else None
            if used is not None:
                extra["energy"] = asdict(used)
            found.append(Measurement("crop", case.name, {}, here.wall, extra))
    return found


def photo(cases: Sequence[Case], plan: Plan, progress: Progress) -> list[Measurement]:
    """Measures a photo of 1280x720 from file to file, by stage, all cases in turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        source = write_photo(folder)
        calls = {}
        laps: dict[str, list[dict[str, float]]] = {case.name: [] for case in cases}
        for case in cases:
            try:
                model = stack.enter_context(load(case))
            except UnmaskError as error:
                # Such as a folder that lacks the locator in this format.
                progress(f"photo: {case.name} is left out: {error}")
                continue
            calls[case.name] = partial(through, model, source, folder, laps[case.name])
        progress(f"photo: {len(calls)} cases in turns, {plan.photos} rounds")
        taken = interleave(calls, plan.photos)
    return [
        Measurement("photo", case.name, {"stage": stage}, seconds)
        for case in cases
        if case.name in calls
        for stage, seconds in _by_stage(laps[case.name], taken[case.name].wall).items()
    ]


def batch(cases: Sequence[Case], plan: Plan, progress: Progress) -> list[Measurement]:
    """Measures batches of crops on one thread, all cases in turns."""
    found = []
    with ExitStack() as stack:
        runtimes = [(case, stack.enter_context(case.open(threads=1))) for case in cases]
        for count in plan.batches:
            progress(f"batch: {len(cases)} cases in turns, {count} crops at once")
            calls = {case.name: partial(it.run, _crops(case, count)) for case, it in runtimes}
            for call in calls.values():
                call()
            for name, taken in in_turns(calls, plan.batch_rounds).items():
                rate = count / float(np.median(taken.wall))
                extra = {"pictures_per_s": round(rate, 2)}
                found.append(Measurement("batch", name, {"batch": count}, taken.wall, extra))
    return found


def threads(cases: Sequence[Case], plan: Plan, progress: Progress) -> list[Measurement]:
    """Measures one crop with several numbers of threads."""
    found = []
    for case in cases:
        progress(f"threads: {case.name}")
        taken: dict[int, list[float]] = {count: [] for count in plan.threads}
        # PyTorch has one number of threads for the whole process: each is opened when it runs.
        for count in plan.threads:
            with case.open(threads=count) as runtime:
                call = partial(runtime.run, _crops(case, 1))
                warm_up(call)
                taken[count] = [timed(call) for _ in range(plan.rounds)]
        found += [
            Measurement("threads", case.name, {"threads": count}, seconds)
            for count, seconds in taken.items()
        ]
    return found


def start(cases: Sequence[Case], plan: Plan, progress: Progress) -> list[Measurement]:
    """Measures fresh processes that open the model and unmask one photo."""
    found = []
    with tempfile.TemporaryDirectory(prefix="unmask-bench-") as folder:
        source = write_photo(Path(folder))
        for case in cases:
            progress(f"start: {case.name}")
            taken, reports = [], []
            try:
                for _ in range(plan.starts):
                    begin = time.perf_counter()
                    reports.append(fresh(case, source))
                    taken.append(time.perf_counter() - begin)
            except UnmaskError as error:
                progress(f"start: {case.name} is left out: {error}")
                continue
            extra = {
                key: round(float(np.median([report[key] for report in reports])), 1)
                for key in reports[0]
                if reports[0][key] is not None
            }
            found.append(Measurement("start", case.name, {}, taken, extra))
    return found


GROUPS = {"crop": crop, "photo": photo, "batch": batch, "threads": threads, "start": start}


def usable(cases: Sequence[Case]) -> tuple[list[Case], list[tuple[str, str]]]:
    """Opens each case once; returns those that open, and why the others do not.

    Raises:
        ArtifactError: If a file is missing or was changed.
    """
    good, bad = [], []
    for case in cases:
        try:
            case.open(threads=1).close()
        except CANNOT as error:
            bad.append((case.name, str(error)))
        else:
            good.append(case)
    return good, bad


def baseline(case: Case, cases: Sequence[Case]) -> Case:
    """Returns what a case is compared with: its model in fp32 on ONNX Runtime, or the first."""
    same = [other for other in cases if other.artifact.name == case.artifact.name]
    wanted = [c for c in same if (c.entry.name, c.artifact.precision) == ("onnx", "fp32")]
    return (wanted or same)[0]


def load(case: Case) -> unmask_sdk.Unmasker:
    """Loads the complete model of a case, with one thread."""
    return unmask_sdk.load(
        case.entry.name,
        case.artifact.precision,
        model=case.artifact.name,
        threads=1,
        artifacts=case.manifest.folder,
    )


def write_photo(folder: Path) -> Path:
    """Writes a JPEG of 1280x720 with one masked synthetic face; returns its path."""
    face = read_images().images[0]
    canvas = cv2.resize(np.full((9, 16, 3), 127, np.uint8), (1280, 720))
    canvas[200:456, 500:756] = face
    file = folder / "photo.jpg"
    cv2.imwrite(str(file), canvas[..., ::-1])
    return file


def _crops(case: Case, count: int) -> UInt8Array:
    return draw_masked_faces(count, case.size, case.size)


def through(
    model: unmask_sdk.Unmasker, source: Path, folder: Path, laps: list[dict[str, float]]
) -> None:
    """Processes a photo from file to file; adds the milliseconds of each stage to `laps`."""
    result = model(source)
    begin = time.perf_counter()
    result.save(folder / "out.jpg")
    laps.append({**result.timings, "encode": 1000 * (time.perf_counter() - begin)})


def _by_stage(laps: list[dict[str, float]], whole: list[float]) -> dict[str, list[float]]:
    """Returns seconds by stage of the measured runs: the last ones, after the warm-up."""
    counted = laps[-len(whole) :]
    stages = {stage: [lap[stage] / 1000 for lap in counted] for stage in counted[0]}
    return {**stages, "whole": whole}


def fresh(case: Case, source: Path) -> dict[str, Any]:
    """Runs `start.py` in a fresh process and returns what it prints.

    Raises:
        UnmaskError: If it fails.
    """
    command = (
        case.entry.name, case.artifact.precision, case.artifact.name,
        str(case.manifest.folder), str(source),
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "unmask_sdk.benchmarks.start", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnmaskError(f"{case.name} does not start in a fresh process: {done.stderr[-300:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report
