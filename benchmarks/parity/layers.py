"""Finds the first layer of an artifact whose error changes the picture too much.

`taps_ENGINE.py` records the outputs of the convolutions in each engine's file, and `taps_torch.py`
those of the reference. Converters rename layers and run parallel ones in another order, so layers
of one shape are paired with the least total error: layers before a fault match closely. A converter
may have fused a convolution with the ReLU after it, or reordered the input of a pixel shuffle, so
the form that is nearest counts. `effects.py` then measures what each layer's own error does to the
picture, and `thresholds.py` says how much it may do.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from unmask_sdk.core.arrays import Float32Array, UInt8Array

from .cases import Case
from .tap import HUGE, Substitute, Tap
from .thresholds import LayerLimit, Thresholds

# Channels that a pixel shuffle turns into an image of three channels at twice the size.
SHUFFLED = 12

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
    """How far one layer is off, and what that alone does to the picture.

    Attributes:
        layer: Name of the torch module.
        tensor: Name in the artifact.
        error: Root mean square of the layer's own error over that of the reference's output.
        picture: Root mean square of the change of the picture in the hole, of 255.
        mask: The same of the mask.
    """

    layer: str
    tensor: str
    error: float
    picture: float
    mask: float


@dataclass(frozen=True)
class Bisection:
    """All layers of one artifact.

    Attributes:
        first: The first layer beyond the limit; `None` if all are within it.
        limit: What one layer may do.
        errors: Every layer that could be paired, in the order in which they run.
        unseen: Torch modules without a partner.
        note: Why nothing was compared; empty if something was.
    """

    first: LayerError | None
    limit: LayerLimit
    errors: tuple[LayerError, ...] = ()
    unseen: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class Pair:
    """A layer of the reference, and the tensor of an artifact that is nearest to its output."""

    layer: str
    tensor: str
    substitute: Substitute


def bisect(case: Case, weights: Path, image: UInt8Array, thresholds: Thresholds) -> Bisection:
    """Compares an artifact with the reference, layer by layer.

    Args:
        case: The artifact and the runtime.
        weights: Weight file of the reference.
        image: uint8 `[1, S, S, 3]`, with a mask on it.
        thresholds: What is allowed.
    """
    precision = case.artifact.precision
    limit = thresholds.of_layer(precision)
    module = TAPS.get(case.entry.name)
    if module is None or (case.artifact.format, precision) in UNSEEN:
        what = f"{case.artifact.format} {precision} on {case.entry.name}"
        return Bisection(None, limit, note=f"the layers of {what} cannot be seen")
    # Need torch, without which all else of `unmask parity` works.
    from . import effects, taps_torch

    taps: Any = importlib.import_module(module)
    found: list[Tap] = taps.record(case.manifest.path(case.artifact), image)
    expected = taps_torch.record(weights, image)
    pairs = pair(expected, found)
    measured = effects.measure(weights, image, {p.layer: p.substitute for p in pairs})
    errors = tuple(LayerError(p.layer, p.tensor, **asdict(measured[p.layer])) for p in pairs)
    unseen = tuple(tap.name for tap in expected if tap.name not in measured)
    note = "" if errors else "no layer could be paired"
    first = next((e for e in errors if not limit.allows(e.picture, e.mask)), None)
    return Bisection(first, limit, errors, unseen, note)


def pair(expected: Sequence[Tap], found: Sequence[Tap]) -> list[Pair]:
    """Pairs the layers of two networks.

    Args:
        expected: Outputs of the reference, in the order in which they run.
        found: Outputs of the artifact, in any order.

    Returns:
        A pair for each layer of the reference that has a partner, in the order of `expected`.
    """
    partners: dict[int, Pair] = {}
    for shape in {tap.value.shape for tap in expected}:
        ours = [k for k, tap in enumerate(expected) if tap.value.shape == shape]
        theirs = [tap for tap in found if tap.value.shape == shape]
        errors = np.array(
            [[min(_errors(expected[k].value, tap.value)) for tap in theirs] for k in ours]
        ).reshape(len(ours), len(theirs))
        for row, column in zip(*linear_sum_assignment(errors), strict=True):
            tap, partner = expected[ours[row]], theirs[column]
            partners[ours[row]] = Pair(
                tap.name, partner.name, _substitute(tap.value, partner.value)
            )
    return [partners[k] for k in sorted(partners)]


def _errors(wanted: Float32Array, got: Float32Array) -> list[float]:
    """Returns the relative error in each form that a converter may give an output."""
    # Relative to the output before a ReLU: after it, almost nothing may be left.
    size = max(float(np.linalg.norm(wanted)), 1e-9)
    return [min(HUGE, float(np.linalg.norm(got - form)) / size) for form in _forms(wanted)]


def _forms(wanted: Float32Array) -> list[Float32Array]:
    """Returns the forms that a converter may give an output: unchanged, after ReLU, reordered."""
    forms = [wanted, np.maximum(wanted, 0)]
    if wanted.shape[1] == SHUFFLED:
        forms.append(wanted[:, _shuffled_order()])
    return forms


def _substitute(wanted: Float32Array, got: Float32Array) -> Substitute:
    """Returns an artifact's output in the reference's order of channels."""
    form = int(np.argmin(_errors(wanted, got)))
    value = got[:, np.argsort(_shuffled_order())] if form == 2 else got
    return Substitute(np.ascontiguousarray(value), rectified=form == 1)


def _shuffled_order() -> list[int]:
    """TFLite's depth-to-space has the colors innermost, torch's pixel shuffle outermost."""
    return [int(k) for k in np.arange(SHUFFLED).reshape(3, -1).T.ravel()]
