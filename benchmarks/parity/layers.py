"""Where does an artifact leave the reference? Layer by layer, the first that is too far off.

Each engine's file gives the outputs of its convolutions (`taps_ENGINE.py`), and so does the
reference. Converters rename layers and run parallel ones in another order, so those of one shape
are paired such that all pairs together are nearest: what comes before the fault pairs exactly,
and the first that does not is at fault. A converter may have drawn the ReLU after a convolution
into it, or reordered what a pixel shuffle takes, so the nearest of these forms counts.
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
from .thresholds import Thresholds

# Channels that become a picture of three colours at twice the size.
SHUFFLED = 12
# Instead of an error that is no number, where pairs are chosen.
HUGE = 1e9

# Runtimes whose layers can be looked at, and the module that does.
TAPS = {
    "onnx": "unmask_sdk.benchmarks.parity.taps_onnx",
    "openvino": "unmask_sdk.benchmarks.parity.taps_openvino",
    "tflite": "unmask_sdk.benchmarks.parity.taps_tflite",
    "torch": "unmask_sdk.benchmarks.parity.taps_torch",
}
# Formats and precisions whose convolutions give no layer's output: in an int8 IR the scales have
# moved behind them.
UNSEEN = {("openvino", "int8")}


@dataclass(frozen=True, eq=False)
class Tap:
    """The output of one convolution: its name, and float32 `[1, C, H, W]`."""

    name: str
    value: Float32Array


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
        first: The first layer whose error is beyond the tolerance; None if there is none.
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
    """Pairs the layers of two networks, and finds the first that differs too much."""
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
    # Written so that an error that is no number counts as one.
    first = next((e for e in errors_in_order if not e.error <= tolerance), None)
    unseen = tuple(tap.name for k, tap in enumerate(expected) if k not in partners)
    note = "" if errors_in_order else "no layer could be paired"
    return Bisection(first, tolerance, errors_in_order, unseen, note)


def _error(wanted: Float32Array, got: Float32Array) -> float:
    # Of the output's own size, ReLU or not: behind one, next to nothing may be left.
    size = max(float(np.linalg.norm(wanted)), 1e-9)
    return min(HUGE, *(float(np.linalg.norm(got - form)) / size for form in _forms(wanted)))


def _forms(wanted: Float32Array) -> list[Float32Array]:
    """What a converter may have made of an output: as it is, behind its ReLU, or reordered."""
    forms = [wanted, np.maximum(wanted, 0)]
    if wanted.shape[1] == SHUFFLED:
        # TFLite's depth-to-space wants the colours innermost, torch's pixel shuffle outermost.
        order = np.arange(SHUFFLED).reshape(3, -1).T.ravel()
        forms.append(wanted[:, order])
    return forms
