"""Limits on the distance of a runtime from the reference, by precision: `thresholds.json`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from .distances import Measures


@dataclass(frozen=True)
class Thresholds:
    """The limits.

    Attributes:
        limits: By precision, and `all`: measure to `{"at_most": x}` or `{"at_least": x}`.
        layers: By precision, the largest error of a layer's output over its own size (both root
            mean squares).
    """

    limits: dict[str, dict[str, dict[str, float]]]
    layers: dict[str, float]

    def of(self, precision: str) -> dict[str, dict[str, float]]:
        """Returns the limits of a precision; one that the file does not list has those of `all`."""
        return {**self.limits["all"], **self.limits.get(precision, {})}

    def misses(self, precision: str, measures: Measures) -> list[str]:
        """Returns a message for each limit exceeded. Measures that were not taken are skipped."""
        found = []
        for name, limit in self.of(precision).items():
            if name not in measures:
                continue
            value = measures[name]
            low, high = limit.get("at_least", -math.inf), limit.get("at_most", math.inf)
            # Written so that NaN exceeds the limit.
            if not low <= value <= high:
                bound = f"at least {low:g}" if "at_least" in limit else f"at most {high:g}"
                found.append(f"{name} is {value:.4g}, {bound} allowed")
        return found

    def not_judged(self, precision: str, measures: Measures) -> list[str]:
        """Returns the limits whose measures were not taken."""
        return [name for name in self.of(precision) if name not in measures]


def read_thresholds() -> Thresholds:
    """Reads the file that the package ships."""
    text = resources.files(__package__).joinpath("thresholds.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return Thresholds({k: v for k, v in data.items() if k != "layers"}, data["layers"])
