"""Distances of one runtime's results from the reference's, and from the ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from skimage.metrics import structural_similarity

from unmask_sdk.core.arrays import BoolArray, UInt8Array
from unmask_sdk.training.evaluation.metrics import Fidelity, compare, intersection_over_union, seam

from .pictures import Pictures, Truth

if TYPE_CHECKING:
    from unmask_sdk.training.evaluation.recognition import FaceRecognizer

Measures = dict[str, float]

REGIONS = ("whole", "hole", "seam")


@dataclass(frozen=True, eq=False)
class Answers:
    """Results of a runtime: images uint8 `[N, S, S, 3]` and masks uint8 `[N, S, S]`."""

    unmasked: UInt8Array
    masks: UInt8Array


def to_reference(pictures: Pictures, reference: Answers, answers: Answers) -> Measures:
    """Measures results against the reference's.

    Regions are those of the reference's mask. PSNR is of all pixels of a region together,
    infinite where nothing differs; SSIM and IoU are means over the images.

    Returns:
        `max_abs`, `mean_abs` (of 255, of the picture), `psnr_REGION`, `ssim_REGION`, `psnr_mask`,
        `mask_iou`, and `changed_outside`: pixels that differ from the input where the result's
        mask is 0.
    """
    error = np.abs(np.subtract(reference.unmasked, answers.unmasked, dtype=np.int16))
    everywhere = np.full(reference.masks.shape[1:], 255, np.uint8)
    weights: dict[str, list[BoolArray]] = {name: [] for name in REGIONS}
    similar: dict[str, list[float]] = {name: [] for name in REGIONS}
    for ours, theirs, mask in zip(
        answers.unmasked, reference.unmasked, reference.masks, strict=True
    ):
        regions = {"whole": everywhere > 0, "hole": mask > 127, "seam": seam(mask)}
        # scikit-image has no type annotations.
        _, ssim = structural_similarity(  # type: ignore[no-untyped-call]
            ours, theirs, channel_axis=-1, data_range=255, full=True, gaussian_weights=True
        )
        for name, region in regions.items():
            weights[name].append(region)
            if region.any():
                similar[name].append(float(ssim[region].mean()))
    squared = (error.astype(np.float32) ** 2).mean(-1)
    measures: Measures = {"max_abs": int(error.max()), "mean_abs": float(error.mean())}
    for name in REGIONS:
        region = np.stack(weights[name])
        if region.any():
            measures[f"psnr_{name}"] = _psnr(float(squared[region].mean(dtype=np.float64)))
            measures[f"ssim_{name}"] = float(np.mean(similar[name]))
    difference = np.subtract(reference.masks, answers.masks, dtype=np.float32)
    measures["psnr_mask"] = _psnr(float(np.mean(difference**2, dtype=np.float64)))
    measures["mask_iou"] = float(
        np.mean(
            [
                intersection_over_union(a, b, everywhere)
                for a, b in zip(reference.masks, answers.masks, strict=True)
            ]
        )
    )
    outside = answers.masks == 0
    changed = (answers.unmasked != pictures.masked).any(-1) & outside
    measures["changed_outside"] = int(changed.sum())
    return measures


def to_truth(
    truth: Truth, reference: Answers, answers: Answers, recognizer: FaceRecognizer | None
) -> Measures:
    """Measures results against the ground truth, and their loss against the reference.

    Returns:
        `hole_psnr` (dB), `ssim`, `true_mask_iou`, `identity` (cosine, if there is a recognizer),
        means over the faces; and each with `_lost`: the reference's value minus this.
    """
    ours = _fidelity(truth, answers, recognizer)
    best = _fidelity(truth, reference, recognizer)
    return {**ours, **{f"{name}_lost": best[name] - ours[name] for name in ours}}


def _fidelity(truth: Truth, answers: Answers, recognizer: FaceRecognizer | None) -> Measures:
    found: list[Fidelity] = []
    overlap, likeness = [], []
    for k, (picture, mask) in enumerate(zip(answers.unmasked, answers.masks, strict=True)):
        found.append(compare(picture, truth.pictures[k], truth.masks[k], truth.valid[k]))
        overlap.append(intersection_over_union(mask, truth.masks[k], truth.valid[k]))
        if recognizer is not None:
            crop = truth.crops[k]
            true = recognizer.describe(truth.pictures[k], crop)
            likeness.append(float(recognizer.describe(picture, crop) @ true))
    measures = {
        "hole_psnr": float(np.mean([f.hole_psnr for f in found])),
        "ssim": float(np.mean([f.ssim for f in found])),
        "true_mask_iou": float(np.mean(overlap)),
    }
    if likeness:
        measures["identity"] = float(np.mean(likeness))
    return measures


def worst_first(reference: Answers, answers: Answers) -> list[int]:
    """Returns the indices of the images by squared error to the reference, largest first."""
    difference = np.subtract(reference.unmasked, answers.unmasked, dtype=np.float32)
    order = np.argsort(-(difference**2).mean((1, 2, 3)), kind="stable")
    return [int(k) for k in order]


def _psnr(mean_square: float) -> float:
    return 10 * math.log10(255**2 / mean_square) if mean_square else math.inf
