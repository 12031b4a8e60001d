"""`unmask_sdk.benchmark()`: measures the speed of every runtime and precision on this device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.benchmarks.parity.cases import Case, select
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.requirements import check_command
from unmask_sdk.errors import InvalidInputError

from .bench import GROUPS, Measurement, Plan, Progress, usable
from .condition import Condition, condition


@dataclass(frozen=True)
class BenchmarkReport:
    """What was measured on this device.

    Attributes:
        measurements: The runs of each benchmark.
        cases: The unmaskers on their runtimes that were measured.
        left_out: Runtimes and cases that cannot be used here: name and reason.
        plan: How many runs were measured.
        before: State of the device before.
        after: State of the device after.
    """

    measurements: tuple[Measurement, ...]
    cases: tuple[Case, ...]
    left_out: tuple[tuple[str, str], ...]
    plan: Plan
    before: Condition
    after: Condition

    def to_dict(self) -> dict[str, Any]:
        """Returns what `unmask bench --json` writes: plain data in pytest-benchmark's format."""
        from .bench_json import to_data

        return to_data(self.measurements, self.before, self.after)


def benchmark(
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    models: Sequence[str] = (),
    *,
    artifacts: str | os.PathLike[str] | None = None,
    groups: Sequence[str] = tuple(GROUPS),
    rounds: int = Plan.rounds,
    threads: Sequence[int] = (),
    batches: Sequence[int] = Plan.batches,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Measures every runtime and precision on this device; needs the extra `bench`.

    Args:
        runtimes: Runtimes to measure, which then have to be usable; by default all that are.
        precisions: Precisions to measure; all by default.
        models: Names of unmaskers to measure; all by default.
        artifacts: Folder that holds a `manifest.json`; the package's own by default.
        groups: What to measure: `crop`, `photo`, `batch`, `threads`, `start`.
        rounds: Runs of each case, at least 2.
        threads: Numbers of threads for the group `threads`; by default 1, 2, 4, … up to the cores.
        batches: Batch sizes for the group `batch`.
        progress: Called with a line of text as each step begins.

    Returns:
        The measurements, in seconds of each run.

    Raises:
        MissingDependencyError: If a package of the extra is not installed.
        ArtifactError: If a file is missing or was changed.
        InvalidInputError: If an argument is invalid, or not every runtime that was asked for is
            usable here.
        UnmaskError: If a runtime that was asked for cannot be used.
    """
    check_command("unmask bench")
    tell = progress or (lambda step: None)
    unknown = [name for name in groups if name not in GROUPS]
    if unknown or not groups:
        raise InvalidInputError(f"groups are of {', '.join(GROUPS)}; got {', '.join(groups)!r}")
    if rounds < 2:
        raise InvalidInputError(f"rounds must be at least 2; got {rounds}")
    for name, numbers in (("threads", threads), ("batches", batches)):
        if any(number < 1 for number in numbers):
            raise InvalidInputError(f"{name} must be at least 1; got {list(numbers)}")
    plan = Plan(
        rounds=rounds,
        photos=min(rounds, Plan.photos),
        batches=tuple(batches),
        threads=tuple(threads) or _powers(usable_cpus()),
    )
    found = select(None if artifacts is None else Path(artifacts), runtimes, precisions, models)
    cases, unusable = usable(found.cases)
    left_out = (*unusable, *found.left_out)
    for name, reason in left_out:
        tell(f"{name} is left out: {reason}")
    if not cases or (runtimes and unusable):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        raise InvalidInputError(f"not every case that was asked for is usable here: {reasons}")
    before = condition()
    measured: list[Measurement] = []
    for group in groups:
        measured += GROUPS[group](cases, plan, tell)
    return BenchmarkReport(tuple(measured), tuple(cases), left_out, plan, before, condition())


def _powers(limit: int) -> tuple[int, ...]:
    """Returns 1, 2, 4, … and the limit."""
    return tuple(sorted({2**k for k in range(limit.bit_length())} | {limit}))
