"""What decides between weights, for groups of faces: KID, sharpness, hole PSNR, masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import AnyArray, Float64Array

from .groups import Group, make_groups
from .kid import Estimate, draw_weights, kid_floor, kid_of_results
from .realism import BLURS, RealismFeatures
from .scores import EMPTY_SHARE, Score

# KID of fewer faces says little: with 21 the interval of a KID of 13 was 8 to 18.
MIN_KID_FACES = 20


@dataclass(frozen=True)
class GroupScore:
    """One network on one group of faces.

    Attributes:
        method: Name of the network.
        group: Title of the group.
        faces: Number of faces.
        kid: KID x1000 (see `kid.kid_of_results`); None if not measured, or of too few faces.
        sharpness: Median sharpness in the hole, over the truth's; None if it cannot be measured.
        hole_psnr: Mean PSNR inside the true mask, dB.
        iou: Mean IoU of the predicted and the true mask.
        bare: Fraction of the faces that are left alone without a mask; None for a mask type.
    """

    method: str
    group: str
    faces: int
    kid: Estimate | None
    sharpness: Estimate | None
    hole_psnr: Estimate
    iou: Estimate
    bare: float | None


@dataclass(frozen=True)
class Scale:
    """What KID means on a group of faces.

    Attributes:
        group: Title of the group.
        faces: Number of faces.
        floor: KID x1000 of the truth against itself, half against half.
        blurred: KID x1000 of the truth, blurred in the hole by 1, 2 and 4 px.
    """

    group: str
    faces: int
    floor: Estimate
    blurred: dict[int, Estimate]


def estimate_mean(values: Float64Array) -> Estimate:
    """Returns the mean of values `[N, K]`, with a bootstrap interval over the N faces."""
    by_face = values.mean(1)
    return Estimate.of(by_face.mean(), draw_weights(len(by_face)) @ by_face / len(by_face))


def estimate_median(values: Float64Array) -> Estimate | None:
    """Returns the median of values `[N, K]`, with a bootstrap interval over the N faces.

    NaN is left out; the result is `None` if nothing is left.
    """
    if np.isnan(values).all():
        return None
    rows = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    samples = np.array([np.nanmedian(v) for v in values[rows] if not np.isnan(v).all()])
    return Estimate.of(float(np.nanmedian(values)), samples)


def _groups(scores: list[Score], masks: int) -> tuple[list[Group], AnyArray]:
    """Returns the groups of one method's faces, and the types of their masks, `[N, K]`."""
    kinds = np.array([score.kind for score in scores]).reshape(-1, masks)
    faces = scores[::masks]
    yaws = np.array([score.yaw for score in faces])
    return make_groups([score.corpus for score in faces], yaws, kinds), kinds


def score_groups(
    scores: list[Score],
    masks: int,
    bare: Mapping[str, list[float]],
    features: RealismFeatures | None = None,
) -> list[GroupScore]:
    """Returns the scores of every network on every group.

    Args:
        scores: One for each face, mask and method, in this order.
        masks: Number of masks on each face.
        bare: Fraction of pixels that each network takes for a mask on each bare face.
        features: What KID compares.
    """
    found = []
    for method, shares in bare.items():
        own = [score for score in scores if score.method == method]
        groups, kinds = _groups(own, masks)
        psnr, iou, sharp = (
            np.array(values, float).reshape(-1, masks)
            for values in (
                [score.fidelity.hole_psnr for score in own],
                [score.iou for score in own],
                [score.sharpness for score in own],
            )
        )
        empty = np.array(shares) <= EMPTY_SHARE
        for group in groups:
            faces = int(group.faces.sum())
            kid = None
            if features and faces >= MIN_KID_FACES:
                results = group.select(features.results(method), kinds)
                kid = kid_of_results(results, features.truth[group.faces])
            found.append(
                GroupScore(
                    method=method,
                    group=group.title,
                    faces=faces,
                    kid=kid,
                    sharpness=estimate_median(group.select(sharp, kinds)),
                    hole_psnr=estimate_mean(group.select(psnr, kinds)),
                    iou=estimate_mean(group.select(iou, kinds)),
                    bare=None if group.kind else float(empty[group.faces].mean()),
                )
            )
    return found


def kid_scales(scores: list[Score], masks: int, features: RealismFeatures) -> list[Scale]:
    """Returns the scale of KID on every group but the mask types.

    Args:
        scores: One method's, for each face and mask.
        masks: Number of masks on each face.
        features: Of the truth, and of the truth blurred.
    """
    truth = features.truth
    blurred = {sigma: features.blurred(sigma) for sigma in BLURS}
    return [
        Scale(
            group.title,
            int(group.faces.sum()),
            kid_floor(truth[group.faces]),
            {s: kid_of_results(b[group.faces], truth[group.faces]) for s, b in blurred.items()},
        )
        for group in _groups(scores, masks)[0]
        if not group.kind and group.faces.sum() >= MIN_KID_FACES
    ]
