"""Limits on the distance of a runtime from the reference, by precision: `thresholds.json`.

Those of `layers` are for the effect of one layer alone (`effects.py`), as a root mean square over
the hole, of 255. They follow from what a whole file may lose:

- **fp32**: no pixel may differ by more than rounding does. The networks have about 100 layers, and
  a hundred times 0.005 is half a step of 255. Layers of the files of run 11 change 0.00002.
- **fp16**: 50 dB over the picture are 0.8 of 255, and 1.6 if the hole is a quarter of it.
- **int8**: a hole PSNR of 20 dB is an error of 25.5 of 255. 0.2 dB less is an error of 26.1, and as
  errors add in squares, 5.5 are allowed. Of the mask, an IoU of 0.99 allows one pixel in 100 of the
  hole to be wrong by 255: 25.

In fp16 and int8 one layer may use a third of that in the picture, so a ninth of its square. Of the
mask it may use all: that limit is for the mean of many pictures, layers are measured on one, and
where the network is unsure of the mask, little changes it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from .distances import Measures


@dataclass(frozen=True)
class LayerLimit:
    """What the error of one layer may do, as root mean squares over the hole, of 255.

    Attributes:
        picture: Largest change of the picture.
        mask: Largest change of the mask.
    """

    picture: float
    mask: float

    def allows(self, picture: float, mask: float) -> bool:
        """Returns whether both are within the limit; a NaN is not."""
        return picture <= self.picture and mask <= self.mask


@dataclass(frozen=True)
class Thresholds:
    """The limits.

    Attributes:
        limits: By precision, and `all`: measure to `{"at_most": x}` or `{"at_least": x}`.
        layers: By precision, what one layer may do.
    """

    limits: dict[str, dict[str, dict[str, float]]]
    layers: dict[str, LayerLimit]

    def of(self, precision: str) -> dict[str, dict[str, float]]:
        """Returns the limits of a precision; one that the file does not list has those of `all`."""
        return {**self.limits["all"], **self.limits.get(precision, {})}

    def of_layer(self, precision: str) -> LayerLimit:
        """Returns what one layer may do; a precision that the file does not list is as int8."""
        return self.layers.get(precision, self.layers["int8"])

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
    layers = {precision: LayerLimit(**limit) for precision, limit in data.pop("layers").items()}
    return Thresholds(data, layers)
