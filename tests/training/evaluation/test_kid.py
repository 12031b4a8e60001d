"""KID agrees with its formula, ranks blur, and is unbiased on small groups of faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.evaluation.kid import (
    FEATURES,
    FaceFeatures,
    kernel,
    kid,
    kid_floor,
    kid_of_results,
    kid_of_strangers,
    lower_face,
)
from unmask_sdk.training.evaluation.realism import blur_in_hole

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def features():
    pytest.importorskip("efficientnet_lite_pytorch")
    return FaceFeatures()


@pytest.fixture(scope="module")
def truth(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    return [read_crop(faces_folder, face, 256).truth for face in faces]


def blurred(images, sigma):
    return [cv2.GaussianBlur(image, (0, 0), sigma) for image in images]


def test_kid_is_the_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))

    def k(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / 3 + 1) ** 3

    within_a = [k(a[i], a[j]) for i in range(5) for j in range(5) if i != j]
    within_b = [k(b[i], b[j]) for i in range(4) for j in range(4) if i != j]
    across = [k(x, y) for x in a for y in b]
    expected = np.mean(within_a) + np.mean(within_b) - 2 * np.mean(across)
    assert kid(a, b) == pytest.approx(1000 * expected)


def test_kid_of_a_set_with_itself_is_not_positive(features, truth):
    own = features(truth)
    assert own.shape == (len(truth), FEATURES)
    assert kid(own, own) <= 0


def test_kid_grows_with_blur(features, truth):
    own = features(truth)
    scores = [kid(features(blurred(truth, sigma)), own) for sigma in (1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert scores[0] > kid(own, own)


def test_only_the_lower_face_counts(truth):
    image = truth[0].copy()
    image[:96] = image[240:] = 0
    image[:, :56] = image[:, 200:] = 0
    np.testing.assert_array_equal(lower_face(image), lower_face(truth[0]))


def test_the_region_scales_with_the_crop(truth):
    half = cv2.resize(truth[0], (128, 128), interpolation=cv2.INTER_AREA)
    error = np.abs(lower_face(half).astype(float) - lower_face(truth[0]))
    assert error.mean() < 6


def test_no_crop_has_no_features(features):
    assert features([]).shape == (0, FEATURES)


def faces_and_results(rng, count, offset):
    """Features of faces, and of two results each that look like their own face."""
    truth = rng.normal(size=(count, 8))
    noise = rng.normal(size=(count, 2, 8))
    return truth, 0.7 * truth[:, None] + 0.714 * noise + offset


def test_kid_of_results_is_the_mean_over_pairs_of_different_faces():
    truth, results = faces_and_results(np.random.default_rng(0), 6, 0.5)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]

    def mean(a, b):
        return np.mean([kernel(a[i], b[j]).mean() for i, j in pairs])

    faces = truth[:, None]
    expected = mean(results, results) + mean(faces, faces) - 2 * mean(results, faces)
    found = kid_of_results(results, truth)
    assert found.value == pytest.approx(1000 * expected)
    assert found.low < found.value < found.high


def test_kid_of_results_does_not_depend_on_the_number_of_faces():
    """Results that are like their own face, and as a set the same as real ones: KID is 0."""
    rng = np.random.default_rng(0)
    values = {n: [kid_of_results(*reversed(faces_and_results(rng, n, 0))).value for _ in range(30)]
              for n in (20, 80)}  # fmt: skip
    for found in values.values():
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    paired = [kid(r[:, 0], t) for t, r in (faces_and_results(rng, 20, 0) for _ in range(30))]
    assert np.mean(paired) < -3 * np.std(paired) / np.sqrt(len(paired))


def test_the_bootstrap_interval_is_as_wide_as_the_values_of_new_faces_spread():
    rng = np.random.default_rng(1)
    found = [kid_of_results(*reversed(faces_and_results(rng, 60, 0.4))) for _ in range(40)]
    spread = np.std([estimate.value for estimate in found])
    width = np.mean([estimate.high - estimate.low for estimate in found]) / (2 * 1.96)
    assert width == pytest.approx(spread, rel=0.4)


def test_kid_of_strangers_and_its_floor():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 8)), rng.normal(size=(40, 8))
    same, shifted = kid_of_strangers(a, b), kid_of_strangers(a + 0.5, b)
    assert same.value == pytest.approx(kid(a, b))
    assert same.low < 0 < same.high
    assert shifted.low > same.high
    floor = kid_floor(a)
    assert floor.low < 0 < floor.high
    # Of four faces there are three ways to make two halves, so the extremes are known.
    halves = [kid(b[[0, i]], np.delete(b[:4], [0, i], 0)) for i in (1, 2, 3)]
    four = kid_floor(b[:4])
    assert min(halves) <= four.low <= four.value <= four.high <= max(halves)


def test_blur_stays_in_the_hole(truth):
    mask = np.zeros((256, 256), np.uint8)
    mask[150:220, 90:170] = 255
    soft = blur_in_hole(truth[0], mask, 4)
    np.testing.assert_array_equal(soft[mask == 0], truth[0][mask == 0])
    expected = cv2.GaussianBlur(truth[0], (0, 0), 4)
    np.testing.assert_array_equal(soft[mask > 0], expected[mask > 0])
