"""The canonical crop is that of the Python package."""

from __future__ import annotations

import numpy as np
import pytest

from example_photos import example_photo
from unmask_sdk.faces import align as python

pytestmark = pytest.mark.browser

MODULE = "faces/align.js"
RNG = np.random.default_rng(4)


def test_matrices(call):
    for size in (256, 128, 112):
        eyes = RNG.uniform(0, 800, (2, 2))
        matrix = python.crop_matrix(eyes, size)
        found = call(MODULE, "cropMatrix", eyes.tolist(), size)
        np.testing.assert_allclose(found.reshape(2, 3), matrix, rtol=1e-13)
        points = RNG.uniform(0, 256, (4, 2))
        for name, expected in (
            ("transformPoints", python.transform_points(matrix, points)),
            ("cropToPhoto", python.crop_to_photo(matrix, points)),
        ):
            found = call(MODULE, name, matrix, points.tolist())
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)
        found = call(MODULE, "offsetMatrix", matrix, 12, 34).reshape(2, 3)
        np.testing.assert_allclose(found, python.offset_matrix(matrix, 12, 34), rtol=1e-13)
        assert call(MODULE, "photoPxPerCropPx", matrix) == pytest.approx(
            python.photo_px_per_crop_px(matrix), rel=1e-14
        )


def test_rectangles(call):
    image = np.zeros((60, 80, 3), np.uint8)
    for _ in range(20):
        points = RNG.uniform(-50, 130, (4, 2))
        found = call(MODULE, "boundingRect", points.tolist(), image, 1.5)
        assert tuple(found) == python.bounding_rect(points, image, 1.5)


@pytest.mark.parametrize("size", [256, 112])
def test_crops(call, size):
    """Of faces from 20 to 2000 pixels, inside and outside the photo."""
    differences = []
    for seed in range(25):
        rng = np.random.default_rng((seed, size))
        photo = example_photo(seed % 5)
        height, width = photo.shape[:2]
        left = rng.uniform(-0.3, 1.3, 2) * (width, height)
        eyes = np.array([left, left + rng.uniform(-1, 1, 2) * 10 ** rng.uniform(0.8, 2.7)])
        matrix = python.crop_matrix(eyes, size)
        expected = python.warp_crop(photo, matrix, size)
        found = call(MODULE, "warpCrop", photo, matrix, size)
        differences.append(np.abs(found.astype(int) - expected))
    differences = np.array(differences)
    assert differences.max() <= 1
    assert np.count_nonzero(differences) <= 1e-4 * differences.size


@pytest.mark.parametrize(
    ("eyes", "message"),
    [
        ([[1, 2]], "eyes must be two finite"),
        ([[1, 2], [3, float("inf")]], "eyes must be two finite"),
        ([[0, 0], [1e200, 0]], "eyes are too far apart"),
        ([[1, 2], [1.5, 2]], "eyes must be at least 1 px apart"),
    ],
)
def test_bad_eyes(call, eyes, message):
    with pytest.raises(Exception, match=f"InvalidInputError: {message}"):
        call(MODULE, "cropMatrix", eyes, 256)
