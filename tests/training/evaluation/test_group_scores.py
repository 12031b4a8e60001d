"""Networks are scored on groups of faces, and KID is given its scale there."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.evaluation.evaluate import OURS, Evaluation
from unmask_sdk.training.evaluation.group_scores import (
    estimate_mean,
    estimate_median,
    kid_scales,
    score_groups,
)
from unmask_sdk.training.evaluation.kid import FaceFeatures
from unmask_sdk.training.evaluation.metrics import compare, sharpness
from unmask_sdk.training.evaluation.realism import BLURS, RealismFeatures, blur_in_hole
from unmask_sdk.training.evaluation.report import headline
from unmask_sdk.training.evaluation.scores import Score

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluation(faces_folder):
    """Twenty faces, each with a surgical mask that a "network" fills with the truth blurred."""
    pytest.importorskip("efficientnet_lite_pytorch")
    features = RealismFeatures(FaceFeatures())
    found = Evaluation(features=features, bare={OURS: [0.0] * 15 + [0.1] * 5})
    for index, face in enumerate(read_landmarks(faces_folder / "landmarks.npz") * 2):
        crop = read_crop(faces_folder, face, 64)
        turn = slice(None, None, 1 if index < 10 else -1)
        _, mask, kind = crop.masked(kind="surgical", seed=index)
        truth, mask, valid = (
            np.ascontiguousarray(x[:, turn]) for x in (crop.truth, mask, crop.valid)
        )
        result = blur_in_hole(truth, mask, 2)
        features.add_truth(truth, mask)
        features.add_result(OURS, result)
        found.scores.append(
            Score(
                method=OURS, face=str(index), source="set", corpus="set", yaw=20.0 * (index % 2),
                kind=kind, fidelity=compare(result, truth, mask, valid),
                sharpness=sharpness(result, truth, mask, valid),
                iou=0.9, identity=None, perceptual=None,
            )
        )  # fmt: skip
    found.groups = score_groups(found.scores, 1, found.bare, features)
    found.scales = kid_scales(found.scores, 1, features)
    return found


def test_kid_of_blurred_faces_is_that_of_the_scale(evaluation):
    (scale,) = evaluation.scales
    everyone = evaluation.groups[0]
    assert everyone.kid == scale.blurred[2]
    values = [scale.blurred[sigma].value for sigma in BLURS]
    assert values == sorted(values)
    assert scale.floor.low < 0 < scale.floor.high


def test_groups_have_their_own_faces(evaluation):
    groups = {group.group: group for group in evaluation.groups}
    assert {title: group.faces for title, group in groups.items()} == {
        "all": 20, "yaw below 15°": 10, "yaw 15° to 30°": 10, "surgical": 20,
    }  # fmt: skip
    assert groups["all"].bare == 0.75
    assert groups["surgical"].bare is None
    assert groups["surgical"].kid == groups["all"].kid
    # Too few faces for KID, enough for the rest.
    assert groups["yaw below 15°"].kid is None
    assert 0 < groups["yaw below 15°"].sharpness.value < 0.8
    assert groups["all"].iou.value == pytest.approx(0.9)


def test_the_headline_says_how_real_the_faces_look(evaluation):
    kid = evaluation.groups[0].kid.value
    last = headline(evaluation).splitlines()[-1]
    assert last.startswith(f"KID of the lower faces: {kid:.1f} (ours); ")
    assert f"{kid:.1f} by 2 px" in last


def test_the_mean_and_the_median_of_several_masks_on_each_face():
    rng = np.random.default_rng(0)
    values = rng.normal(5, 1, (40, 5)) + rng.normal(0, 2, (40, 1))
    mean, median = estimate_mean(values), estimate_median(values)
    assert mean.value == pytest.approx(values.mean())
    assert median.value == np.median(values)
    # The interval is that of 40 faces, not of 200 results.
    assert (mean.high - mean.low) / 3.92 == pytest.approx(values.mean(1).std() / 40**0.5, rel=0.1)
    assert median.low < median.value < median.high
    values[:, 0] = np.nan
    assert estimate_median(values).value == np.nanmedian(values)
    assert estimate_median(np.full((3, 1), np.nan)) is None
