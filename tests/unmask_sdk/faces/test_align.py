"""The canonical crop: where the eyes land, and which part of the photo is read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.errors import InvalidInputError
from unmask_sdk.faces.align import (
    CROP_EYES,
    crop_matrix,
    crop_to_photo,
    transform_points,
    warp_crop,
)

NOISE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8), (0, 0), 1.5
)


def eyes_at(x: float, y: float, distance: float, roll: float) -> np.ndarray:
    half = np.array([np.cos(roll), np.sin(roll)]) * distance / 2
    center = np.array([x, y])
    return np.array([center - half, center + half])


placed = st.builds(
    eyes_at, st.floats(-500, 900), st.floats(-500, 800), st.floats(5, 400), st.floats(-3.2, 3.2)
)


@given(placed)
def test_eyes_land_at_their_canonical_positions(eyes):
    matrix = crop_matrix(eyes)
    np.testing.assert_allclose(transform_points(matrix, eyes), CROP_EYES, atol=1e-6)
    np.testing.assert_allclose(crop_to_photo(matrix, CROP_EYES), eyes, atol=1e-6)


# From a factor of two on the crop is averaged and not sampled.
@settings(deadline=None)
@given(
    st.builds(
        eyes_at, st.floats(-500, 900), st.floats(-500, 800), st.floats(5, 110), st.floats(-3.2, 3.2)
    )
)
def test_part_of_the_photo_gives_the_same_crop(eyes):
    matrix = crop_matrix(eyes)
    crop = warp_crop(NOISE, matrix)
    whole = cv2.warpAffine(
        NOISE, matrix, (256, 256), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(crop.astype(int) - whole).max() <= 8


@given(placed)
def test_crop_of_half_size_is_the_crop_downsampled(eyes):
    points = np.array([[0.0, 0.0], [255.0, 40.0]])
    at_256 = crop_to_photo(crop_matrix(eyes), points)
    at_128 = crop_to_photo(crop_matrix(eyes, 128), (points + 0.5) / 2 - 0.5)
    np.testing.assert_allclose(at_256, at_128, atol=1e-6)


@pytest.mark.parametrize(
    "eyes", [[[1, 1], [1, 1]], [[0, 0], [0.5, 0]], [[0, 0], [np.nan, 5]], [[1, 2, 3]]]
)
def test_eyes_without_direction_are_refused(eyes):
    with pytest.raises(InvalidInputError, match="eyes must be"):
        crop_matrix(eyes)
