"""KID agrees with its formula, ranks blur, and is unbiased on small groups of faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.evaluation.kid import FEATURES, FaceFeatures, kid, lower_face

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
