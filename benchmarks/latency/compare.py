"""Compares two runs of `unmask bench` on one device.

Times of two runs are not compared, as the load differs. What is compared is how many times as long
a case took as the yardstick that ran in turns with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from unmask_sdk.errors import InvalidInputError

from .bench_json import Data, device_of

# What two devices must have in common; versions may differ, they are what is compared.
SAME = ("board", "cpu", "cores", "features", "gpus", "governor", "power_mode")
# Group and value in `extra_info`, and whether measuring again may show that it was noise.
COMPARED = (("crop", "yardsticks", True), ("crop", "bytes", False), ("start", "peak_mb", False))


@dataclass(frozen=True)
class Change:
    """One value in the earlier and the later run.

    Attributes:
        name: Name of the benchmark.
        value: Name of the value in `extra_info`.
        old: Earlier value.
        new: Later value; the smaller of two measurements if the first looked slow.
        slower: Whether it is worse by more than the tolerance.
    """

    name: str
    value: str
    old: float
    new: float
    slower: bool

    @property
    def ratio(self) -> float:
        """New over old."""
        return self.new / self.old


def check_alike(old: Data, new: Data) -> None:
    """Refuses to compare runs of two devices.

    Raises:
        InvalidInputError: If they differ in what matters; the message names it.
    """
    then, now = device_of(old), device_of(new)
    unlike = [
        f"{name} was {getattr(then, name)!r}, is {getattr(now, name)!r}"
        for name in SAME
        if getattr(then, name) != getattr(now, name)
    ]
    if unlike:
        raise InvalidInputError(
            f"--compare: the file is of another device, or of this in another state: "
            f"{'; '.join(unlike)}; compare runs of one device, or set it as it was"
        )


def compare(
    old: Data,
    new: Data,
    tolerance: float,
    again: Callable[[Sequence[str]], dict[str, float]],
) -> list[Change]:
    """Compares the benchmarks that both files have.

    Args:
        old: The earlier file.
        new: The later file.
        tolerance: Worse by this share is slower.
        again: Called with the cases that look slower; measures their crops once more, in turns
            with the yardstick, and returns yardsticks by case.

    Raises:
        InvalidInputError: If the devices differ, or the files share no benchmark.
    """
    check_alike(old, new)
    changes = [
        Change(name, value, before[value], now[value], now[value] > before[value] * (1 + tolerance))
        for group, value, _ in COMPARED
        for name, before, now in _shared(old, new, group)
        if before.get(value) and now.get(value)
    ]
    if not changes:
        raise InvalidInputError("--compare: the file and this run share no benchmark")
    noisy = {value for _, value, may_clear in COMPARED if may_clear}
    cases = {record["name"]: record["params"]["case"] for record in new["benchmarks"]}
    suspects = [cases[c.name] for c in changes if c.slower and c.value in noisy]
    second = again(suspects) if suspects else {}
    return [
        _cleared(c, second[cases[c.name]], tolerance) if c.slower and c.value in noisy else c
        for c in changes
    ]


def _cleared(change: Change, second: float, tolerance: float) -> Change:
    best = min(change.new, second)
    slower = best > change.old * (1 + tolerance)
    return Change(change.name, change.value, change.old, best, slower)


def _shared(old: Data, new: Data, group: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    before = {record["name"]: record["extra_info"] for record in old["benchmarks"]}
    return [
        (record["name"], before[record["name"]], record["extra_info"])
        for record in new["benchmarks"]
        if record["group"] == group and record["name"] in before
    ]
