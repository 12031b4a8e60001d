"""The report of `unmask evaluate`: Markdown, JSON, plots and contact sheets."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.training.datasets.image_files import image_grid, write_image
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .evaluate import EMPTY_SHARE, OURS, TRUTH, Evaluation, Score
from .real_photos import RealPhotos

# Field of `Fidelity` or `Score`, heading, decimals.
COLUMNS = (
    ("psnr", "PSNR, dB", 2),
    ("ssim", "SSIM", 4),
    ("l1", "L1, of 255", 2),
    ("hole_psnr", "hole PSNR, dB", 2),
    ("hole_ssim", "hole SSIM", 4),
    ("hole_l1", "hole L1", 2),
    ("seam_l1", "seam L1", 2),
    ("perceptual", "perceptual", 3),
    ("identity", "identity", 4),
)


def value_of(score: Score, name: str) -> float | None:
    """Returns the value of a column for one score."""
    value: float | None = getattr(score.fidelity, name, None)
    if value is None:
        value = getattr(score, name)
    return value


def confidence_interval(values: Float64Array) -> float:
    """Returns half the width of the 95 % bootstrap confidence interval of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (1000, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(high - low) / 2


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows), ""]


def _cell(scores: list[Score], name: str, digits: int) -> str:
    values = np.array([value_of(s, name) for s in scores], float)
    return f"{values.mean():.{digits}f} ± {confidence_interval(values):.{digits}f}"


def _methods(scores: list[Score]) -> list[str]:
    return list(dict.fromkeys(s.method for s in scores))


def _method_table(scores: list[Score], names: Collection[str] | None = None) -> list[str]:
    columns = [
        c
        for c in COLUMNS
        if value_of(scores[0], c[0]) is not None and (names is None or c[0] in names)
    ]
    rows = []
    for method in _methods(scores):
        selected = [s for s in scores if s.method == method]
        rows.append([method, *(_cell(selected, name, digits) for name, _, digits in columns)])
    return _table(["method", *(title for _, title, _ in columns)], rows)


def _mask_type_table(scores: list[Score]) -> list[str]:
    rows = []
    for kind in MASK_TYPES:
        selected = [s for s in scores if s.kind == kind and s.method == OURS]
        if selected:
            ious = np.array([s.iou for s in selected], float)
            rows.append(
                [
                    kind,
                    f"{ious.mean():.4f}",
                    f"{np.percentile(ious, 5):.4f}",
                    _cell(selected, "hole_psnr", 2),
                    _cell(selected, "ssim", 4),
                ]
            )
    return _table(["mask type", "IoU", "IoU, worst 5 %", "hole PSNR, dB", "SSIM"], rows)


def headline(evaluation: Evaluation) -> str:
    """Returns the main results as Markdown: all faces, the usual metrics, the predicted masks."""
    ious = np.array([s.iou for s in evaluation.scores if s.method == OURS], float)
    empty = np.mean(np.array(evaluation.bare) <= EMPTY_SHARE)
    lines = [
        *_method_table(evaluation.scores, ("psnr", "ssim", "l1", "hole_psnr", "identity")),
        f"{len(evaluation.bare)} faces. Mask IoU {ious.mean():.3f}; the mask stays empty on "
        f"{empty:.1%} of the same faces without a mask.",
    ]
    return "\n".join(lines)


def summarize(evaluation: Evaluation, photos: RealPhotos | None = None) -> str:
    """Returns all results as Markdown: methods by data set, mask types, verification, photos.

    Args:
        evaluation: From `evaluate`.
        photos: From `real_photos`.
    """
    sources = sorted({s.source for s in evaluation.scores})
    lines = []
    for source in [None, *sources] if len(sources) > 1 else [None]:
        selected = [s for s in evaluation.scores if source in (None, s.source)]
        title = "all" if source is None else source or "others"
        lines += [
            f"### {title} ({len({s.face for s in selected})} faces)",
            "",
            *_method_table(selected),
        ]
    lines += _mask_type_table(evaluation.scores)
    empty = np.mean(np.array(evaluation.bare) <= EMPTY_SHARE)
    lines += [f"Faces without a mask: mask stays empty (≤ 0.5 % of pixels) on {empty:.1%}.", ""]
    if evaluation.stability:
        stability = evaluation.stability
        lines += [
            f"Video: moving the face by 1 px changes the hole {stability.relative:.2f} times as "
            "much as it changes the truth; after motion compensation "
            f"{stability.flicker:.2f} of 255 remain, and noise of standard deviation 2 causes "
            f"{stability.noise:.2f} "
            f"({stability.faces} faces).",
            "",
        ]
    if evaluation.verification:
        pairs = next(iter(evaluation.verification.values())).pairs
        lines += [f"Verification by SFace, {pairs} pairs, the second image of each:", ""]
        lines += _table(
            ["second image", "accuracy", "true accepts at 1 % false"],
            [
                ["never masked" if name == TRUTH else name, f"{v.accuracy:.2%}",
                 "too few pairs" if v.true_accepts is None else f"{v.true_accepts:.2%}"]
                for name, v in evaluation.verification.items()
            ],
        )  # fmt: skip
    if photos is not None:
        lines += [
            f"Real photos: a face was found in {photos.with_face} of {photos.photos}, a mask on "
            f"{photos.masked} of {photos.faces} faces; after unmasking, a second pass finds no "
            f"mask on {photos.clean} of these.",
            "",
        ]
    return "\n".join(lines)


def _plot(path: Path, evaluation: Evaluation) -> None:
    """Plots hole PSNR by mask type and method, with 95 % intervals; and its distribution."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    bars, curve = figure.subplots(1, 2)
    methods = _methods(evaluation.scores)
    width = 0.8 / len(methods)
    for position, method in enumerate(methods):
        selected = [s for s in evaluation.scores if s.method == method]
        values = [
            np.array([s.fidelity.hole_psnr for s in selected if s.kind == kind])
            for kind in MASK_TYPES
        ]
        present = [i for i, v in enumerate(values) if len(v)]
        bars.bar(
            [i + (position - (len(methods) - 1) / 2) * width for i in present],
            [values[i].mean() for i in present],
            width,
            yerr=[confidence_interval(values[i]) for i in present],
            label=method,
        )
        ordered = np.sort([s.fidelity.hole_psnr for s in selected])
        curve.plot(ordered, np.linspace(0, 100, len(ordered)), label=method)
    bars.set_xticks(range(len(MASK_TYPES)), MASK_TYPES)
    bars.set_ylabel("hole PSNR, dB")
    curve.set_xlabel("hole PSNR, dB")
    curve.set_ylabel("faces at or below, %")
    curve.legend()
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=110))


def write_report(
    folder: Path, text: str, evaluation: Evaluation, photos: RealPhotos | None = None
) -> None:
    """Writes `report.md`, `scores.json`, `plot.png`, `sheet.jpg` and, with photos, `photos.jpg`.

    Args:
        folder: Created if missing.
        text: From `summarize`.
        evaluation: From `evaluate`.
        photos: From `real_photos`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "scores": [asdict(score) for score in evaluation.scores],
        "bare": evaluation.bare,
        "verification": {name: asdict(v) for name, v in evaluation.verification.items()},
        "stability": None if evaluation.stability is None else asdict(evaluation.stability),
        "photos": None if photos is None else photos.counts(),
    }
    atomic_write(folder / "report.md", text.encode())
    atomic_write(folder / "scores.json", json.dumps(data).encode())
    _plot(folder / "plot.png", evaluation)
    write_image(folder / "sheet.jpg", _in_columns(evaluation.rows, 2))
    if photos is not None and photos.rows:
        write_image(folder / "photos.jpg", _in_columns(photos.rows, 6))


def _in_columns(rows: list[list[UInt8Array]], columns: int) -> UInt8Array:
    """Arranges the rows of a contact sheet in several columns; empty places are black."""
    blank = [np.zeros_like(image) for image in rows[0]]
    filled = rows + [blank] * (-len(rows) % columns)
    lines = [filled[i : i + columns] for i in range(0, len(filled), columns)]
    return image_grid([[image for row in line for image in row] for line in lines])
