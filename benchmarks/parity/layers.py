"""Finds the first layer of an artifact whose output differs too much from the reference's.

`taps_ENGINE.py` records the outputs of the convolutions in each engine's file, and `taps_torch.py`
those of the reference. Converters rename layers and run parallel ones in another order, so layers
of one shape are paired with the least total error: layers before the fault match exactly, and the
first that does not is at fault. A converter may have fused a convolution with the ReLU after it,
or reordered the input of a pixel shuffle, so the form that is nearest counts.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from unmask_sdk.core.arrays import Float32Array, UInt8Array

from .cases import Case
from .tap import Tap
from .thresholds import Thresholds

# Channels that a pixel shuffle turns into an image of three channels at twice the size.
SHUFFLED = 12
# Replaces errors that are NaN where pairs are chosen.
HUGE = 1e9

# The module that records the layers, by runtime.
TAPS = {
    "onnx": "unmask_sdk.benchmarks.parity.taps_onnx",
    "openvino": "unmask_sdk.benchmarks.parity.taps_openvino",
    "tflite": "unmask_sdk.benchmarks.parity.taps_tflite",
    "torch": "unmask_sdk.benchmarks.parity.taps_torch",
}
# Formats and precisions whose convolutions do not have the output of a layer: in an int8 IR the
# scales come after them.
UNSEEN = {("openvino", "int8")}


@dataclass(frozen=True)
class LayerError:
    """How far one layer's output is from the reference's.

    Attributes:
        layer: Name of the torch module.
        tensor: Name in the artifact.
        error: Root mean square of the difference over that of the reference's output.
    """

    layer: str
    tensor: str
    error: float


@dataclass(frozen=True)
class Bisection:
    """All layers of one artifact.

    Attributes:
        first: The first layer whose error is above the tolerance; `None` if all are within it.
        tolerance: Largest error allowed.
        errors: Every layer that could be paired, in the order in which they run.
        unseen: Torch modules without a partner.
        note: Why nothing was compared; empty if something was.
    """

    first: LayerError | None
    tolerance: float
    errors: tuple[LayerError, ...] = ()
    unseen: tuple[str, ...] = ()
    note: str = ""


def bisect(case: Case, weights: Path, image: UInt8Array, thresholds: Thresholds) -> Bisection:
    """Compares an artifact with the reference, layer by layer.

    Args:
        case: The artifact and the runtime.
        weights: Weight file of the reference.
        image: uint8 `[1, S, S, 3]`.
        thresholds: What is allowed.
    """
    precision = case.artifact.precision
    tolerance = thresholds.layers.get(precision, max(thresholds.layers.values()))
    module = TAPS.get(case.entry.name)
    if module is None or (case.artifact.format, precision) in UNSEEN:
        what = f"{case.artifact.format} {precision} on {case.entry.name}"
        return Bisection(None, tolerance, note=f"the layers of {what} cannot be seen")
    from . import taps_torch

    taps: Any = importlib.import_module(module)
    found: list[Tap] = taps.record(case.manifest.path(case.artifact), image)
    return compare(taps_torch.record(weights, image), found, tolerance)


def compare(expected: Sequence[Tap], found: Sequence[Tap], tolerance: float) -> Bisection:
    """Pairs the layers of two networks and finds the first that differs too much."""
    partners: dict[int, LayerError] = {}
    for shape in {tap.value.shape for tap in expected}:
        ours = [k for k, tap in enumerate(expected) if tap.value.shape == shape]
        theirs = [tap for tap in found if tap.value.shape == shape]
        errors = np.array(
            [[_error(expected[k].value, tap.value) for tap in theirs] for k in ours]
        ).reshape(len(ours), len(theirs))
        for row, column in zip(
            *linear_sum_assignment(np.nan_to_num(errors, nan=HUGE)), strict=True
        ):
            partners[ours[row]] = LayerError(
                expected[ours[row]].name, theirs[column].name, float(errors[row, column])
            )
    errors_in_order = tuple(partners[k] for k in sorted(partners))
    # Written so that NaN counts as too large.
    first = next((e for e in errors_in_order if not e.error <= tolerance), None)
    unseen = tuple(tap.name for k, tap in enumerate(expected) if k not in partners)
    note = "" if errors_in_order else "no layer could be paired"
    return Bisection(first, tolerance, errors_in_order, unseen, note)


def _error(wanted: Float32Array, got: Float32Array) -> float:
    # Relative to the output before a ReLU: after it, almost nothing may be left.
    size = max(float(np.linalg.norm(wanted)), 1e-9)
    return min(HUGE, *(float(np.linalg.norm(got - form)) / size for form in _forms(wanted)))


def _forms(wanted: Float32Array) -> list[Float32Array]:
    """Returns the forms that a converter may give an output: unchanged, after ReLU, reordered."""
    forms = [wanted, np.maximum(wanted, 0)]
    if wanted.shape[1] == SHUFFLED:
        # TFLite's depth-to-space has the colors innermost, torch's pixel shuffle outermost.
        order = np.arange(SHUFFLED).reshape(3, -1).T.ravel()
        forms.append(wanted[:, order])
    return forms
