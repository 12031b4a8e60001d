"""The report of a calibration: Markdown, plots, and the plan as a separate file."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from unmask_sdk.core.atomic_write import atomic_write

from .calibrate import CalibrationResult
from .faces import near_duplicates
from .scoring import LIMITS, QualityDrop

# Number of layers that bars and histograms are shown for, the most sensitive.
_SHOWN = 24
_HISTOGRAMS = 12
_HEAD = """\
| | hole PSNR lost, dB | SSIM lost | mask IoU | PSNR to float, dB |
|---|---|---|---|---|"""


def write_report(result: CalibrationResult, folder: Path) -> None:
    """Writes `report.md`, its plots, and `plan.json`.

    Args:
        result: The calibration.
        folder: Where the files go; created if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.use("agg")
    plots = {
        "count.png": _count,
        "sensitivity.png": _sensitivity,
        "activations.png": _activations,
    }
    if result.samples:
        plots["coverage.png"] = _coverage
    for name, draw in plots.items():
        figure = draw(result)
        figure.tight_layout()
        # Without the version of matplotlib, so that equal numbers give equal files.
        save = partial(figure.savefig, format="png", dpi=110, metadata={"Software": None})
        atomic_write(folder / name, save)
    atomic_write(folder / "plan.json", result.plan.to_json().encode())
    atomic_write(folder / "report.md", _text(result).encode())


def _text(result: CalibrationResult) -> str:
    plan = result.plan
    kept = "\n".join(f"- `{name}`" for name in plan.keep_float) or "None: all may be int8."
    symmetric = ", ".join(f"`{name}`" for name in plan.keep_float_symmetric) or "no more"
    methods = "\n".join(
        _row(f"{method}, per {'channel' if per_channel else 'tensor'}", drop)
        for (method, per_channel), drop in result.methods.items()
    )
    promoted = "\n".join(_row(str(k), drop) for k, drop in enumerate(result.promoted))
    similar = near_duplicates(list(result.images))
    duplicates = ", ".join(f"{a} and {b}" for a, b in similar) or "none"
    chosen_by, reported_on = result.pairs
    return f"""# Calibration report

{len(result.images)} crops, SHA-256 `{result.sha256}`. Method: {plan.method}, per \
{"channel" if plan.per_channel else "tensor"}. Weights: `{plan.weights_sha256}`.

## What int8 loses
On {reported_on} held-out pairs that had no part in the choice. {result.share:.1%} of the \
convolutions' work is in int8; the float file is {result.size:.2f} times as large.

{_HEAD}
{_row("allowed", LIMITS)}
{_row("CPU: uint8 activations", result.cpu)}
{_row("symmetric int8 activations", result.symmetric)}

## Layers kept in float
{kept}

Where activations have no zero point (TensorRT), besides these: {symmetric}.

On the {chosen_by} pairs for choosing, the worse of both kinds of file, by layers in float:

{_HEAD}
{promoted}

![Sensitivity](sensitivity.png)

## Methods
All layers in int8, the worse of both kinds of file, on pairs for choosing.

{_HEAD}
{methods}

## Number of crops
![Quality by number of crops](count.png)

Near-duplicates, by place in the set: {duplicates}.

{_coverage_section(result)}## Activations
Inputs of the most sensitive layers. Dashed: the range chosen.

![Activations](activations.png)
"""


def _coverage_section(result: CalibrationResult) -> str:
    if not result.samples:
        return ""
    numbers = np.array([(s.share, s.yaw, s.roll, s.brightness) for s in result.samples])
    spread = "\n".join(
        f"| {name} | {column.min():.2f} | {np.median(column):.2f} | {column.max():.2f} |"
        for name, column in zip(
            ("mask's share of the crop", "yaw, eye distances", "roll, degrees", "brightness"),
            numbers.T,
            strict=True,
        )
    )
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in sorted(Counter(s.kind for s in result.samples).items())
    )
    return f"""## What the crops cover
Masks: {kinds}.

| | least | median | most |
|---|---|---|---|
{spread}

![Coverage](coverage.png)

"""


def _row(name: str, drop: QualityDrop) -> str:
    return (
        f"| {name} | {drop.hole_psnr_db:.4f} | {drop.ssim:.5f} | {drop.mask_iou:.4f} "
        f"| {drop.psnr_db:.1f} |"
    )


def _count(result: CalibrationResult) -> Figure:
    figure = Figure(figsize=(7, 3))
    left, right = figure.subplots(1, 2)
    numbers = list(result.counts)
    left.plot(numbers, [drop.hole_psnr_db for drop in result.counts.values()], "o-")
    left.set(xscale="log", xlabel="crops", ylabel="hole PSNR lost, dB")
    right.plot(numbers, [drop.psnr_db for drop in result.counts.values()], "o-")
    right.set(xscale="log", xlabel="crops", ylabel="PSNR to float, dB")
    return figure


def _coverage(result: CalibrationResult) -> Figure:
    figure = Figure(figsize=(10, 5.5))
    places = figure.subplots(2, 3).ravel()
    samples = result.samples
    colors = np.array([sample.color for sample in samples]) / 255
    places[0].scatter(colors[:, 0] - colors[:, 2], colors.mean(1), c=colors, edgecolors="gray")
    places[0].set(xlabel="mask: red less blue", ylabel="mask: brightness")
    for place, (name, values) in zip(
        places[1:],
        {
            "mask's share of the crop": [s.share for s in samples],
            "yaw, eye distances": [s.yaw for s in samples],
            "roll, degrees": [s.roll for s in samples],
            "brightness of the crop": [s.brightness for s in samples],
        }.items(),
        strict=False,
    ):
        place.hist(values, bins=16)
        place.set(xlabel=name)
    places[5].bar(*zip(*sorted(Counter(s.kind for s in samples).items()), strict=True))
    return figure


def _sensitivity(result: CalibrationResult) -> Figure:
    figure = Figure(figsize=(8, 6))
    place = figure.subplots()
    shown = list(result.errors.items())[:_SHOWN][::-1]
    kept = set(result.plan.keep_float)
    place.barh(
        [name.removeprefix("unmasker.") for name, _ in shown],
        [error for _, error in shown],
        color=["tab:orange" if name in kept else "tab:blue" for name, _ in shown],
    )
    place.set(
        xlabel="mean squared error when it alone is int8 (orange: kept in float)", xscale="log"
    )
    place.tick_params(axis="y", labelsize=7)
    return figure


def _activations(result: CalibrationResult) -> Figure:
    figure = Figure(figsize=(10, 7))
    for place, layer in zip(
        figure.subplots(3, _HISTOGRAMS // 3).ravel(), result.errors, strict=False
    ):
        histogram = result.inputs[layer]
        low, high = result.ranges[layer]
        centers = (histogram.edges[1:] + histogram.edges[:-1]) / 2
        place.fill_between(centers, np.asarray(histogram.counts) + 1, step="mid")
        for end in (low, high):
            place.axvline(end, color="black", linestyle="--", linewidth=0.8)
        place.set(yscale="log")
        place.set_title(layer.removeprefix("unmasker."), fontsize=7)
    return figure
