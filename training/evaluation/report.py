"""The report of `unmask evaluate`: Markdown, JSON, plots and contact sheets."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import Float64Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.training.datasets.image_files import write_image
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .contact_sheets import in_columns, write_photo_sheets
from .evaluate import OURS, TRUTH, Evaluation
from .group_scores import MIN_KID_FACES, estimate_mean
from .kid import Estimate, kid_of_strangers
from .real_photos import RealPhotos
from .scores import EMPTY_SHARE, Score
from .tables import group_table, markdown_table, scale_table, with_interval

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


def _by_face(scores: list[Score], name: str) -> Float64Array:
    """Returns the values of a column, `[N, K]`: of K masks on each of N faces."""
    values = np.array([value_of(s, name) for s in scores], float)
    return values.reshape(len({s.face for s in scores}), -1)


def _cell(scores: list[Score], name: str, digits: int) -> str:
    mean = estimate_mean(_by_face(scores, name))
    return f"{mean.value:.{digits}f} ± {(mean.high - mean.low) / 2:.{digits}f}"


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
    return markdown_table(["method", *(title for _, title, _ in columns)], rows)


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
    return markdown_table(["mask type", "IoU", "IoU, worst 5 %", "hole PSNR, dB", "SSIM"], rows)


def headline(evaluation: Evaluation) -> str:
    """Returns the main results as Markdown: all faces, the usual metrics, the predicted masks."""
    ious = np.array([s.iou for s in evaluation.scores if s.method == OURS], float)
    bare = evaluation.bare[OURS]
    empty = np.mean(np.array(bare) <= EMPTY_SHARE)
    lines = [
        *_method_table(evaluation.scores, ("psnr", "ssim", "l1", "hole_psnr", "identity")),
        f"{len(bare)} faces. Mask IoU {ious.mean():.3f}; the mask stays empty on "
        f"{empty:.1%} of the same faces without a mask.",
        *_realism(evaluation),
    ]
    return "\n".join(lines)


def _realism(evaluation: Evaluation) -> list[str]:
    """Returns a sentence about the KID of all faces; none if it was not measured."""
    kids = {g.method: g.kid for g in evaluation.groups if g.group == "all" and g.kid}
    if not kids or not evaluation.scales:
        return []
    named = ", ".join(f"{kid.value:.1f} ({method})" for method, kid in kids.items())
    blurred = ", ".join(
        f"{kid.value:.1f} by {sigma} px" for sigma, kid in evaluation.scales[0].blurred.items()
    )
    return [f"KID of the lower faces: {named}; of true faces blurred in the hole: {blurred}."]


def photo_kids(evaluation: Evaluation, photos: RealPhotos) -> dict[str, Estimate]:
    """Returns KID x1000 of real photos, compared with the evaluated faces without their masks.

    Returns:
        `before` and `after` unmasking; empty if it was not measured, or there are too few faces.
    """
    if evaluation.features is None or photos.before is None or photos.after is None:
        return {}
    truth = evaluation.features.truth
    if min(len(photos.after), len(truth)) < MIN_KID_FACES:
        return {}
    return {
        name: kid_of_strangers(found, truth)
        for name, found in (("before", photos.before), ("after", photos.after))
    }


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
    lines += group_table(evaluation.groups)
    if evaluation.scales:
        lines += [
            "KID compares the lower faces with real ones (EfficientNet-Lite0, x1000, 95 % "
            "bootstrap intervals); this is its scale:",
            "",
            *scale_table(evaluation.scales),
        ]
    empty = np.mean(np.array(evaluation.bare[OURS]) <= EMPTY_SHARE)
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
        lines += markdown_table(
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
        kids = photo_kids(evaluation, photos)
        if kids:
            before, after = (with_interval(kids[name], 1) for name in ("before", "after"))
            lines += [
                f"KID of the lower faces, compared with the bare faces above: {before} before, "
                f"{after} after unmasking.",
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
        values = [[s.fidelity.hole_psnr for s in selected if s.kind == kind] for kind in MASK_TYPES]
        means = {i: estimate_mean(np.array(v)[:, None]) for i, v in enumerate(values) if v}
        bars.bar(
            [i + (position - (len(methods) - 1) / 2) * width for i in means],
            [mean.value for mean in means.values()],
            width,
            yerr=[(mean.high - mean.low) / 2 for mean in means.values()],
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
    """Writes `report.md`, `scores.json`, `plot.png`, `sheet.jpg` and, with photos, their sheets.

    The sheets of the photos are `photos-01.jpg` and so on, see `write_photo_sheets`.

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
        "groups": [asdict(group) for group in evaluation.groups],
        "kid_scales": [asdict(scale) for scale in evaluation.scales],
        "verification": {name: asdict(v) for name, v in evaluation.verification.items()},
        "stability": None if evaluation.stability is None else asdict(evaluation.stability),
        "photos": None
        if photos is None
        else {
            **photos.counts(),
            "kid": {name: asdict(kid) for name, kid in photo_kids(evaluation, photos).items()},
        },
    }
    atomic_write(folder / "report.md", text.encode())
    atomic_write(folder / "scores.json", json.dumps(data).encode())
    _plot(folder / "plot.png", evaluation)
    write_image(folder / "sheet.jpg", in_columns(evaluation.rows, 2))
    if photos is not None:
        write_photo_sheets(folder, photos.rows)
