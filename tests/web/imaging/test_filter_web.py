"""Filters as OpenCV computes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (75, 111, 3), np.uint8)
FILTER = "imaging/filter.js"


@pytest.mark.parametrize(
    ("side", "sigma"), [(0, 0.7), (5, 0), (3, 0), (5, 0.8), (9, 1.386), (15, 2.77)]
)
def test_floats_are_blurred(call, side, sigma):
    for image in (NOISE.astype(np.float32), NOISE[..., 0].astype(np.float32)):
        blurred = call(FILTER, "gaussianBlur", image, side, sigma)
        np.testing.assert_allclose(blurred, cv2.GaussianBlur(image, (side, side), sigma), atol=1e-4)


@pytest.mark.parametrize("sigma", [0.7, 1.1, 2.0])
def test_bytes_are_blurred_bit_for_bit(call, sigma):
    for image in (NOISE, NOISE[:2, :3]):
        blurred = call(FILTER, "gaussianBlur", np.ascontiguousarray(image), 0, sigma)
        np.testing.assert_array_equal(blurred, cv2.GaussianBlur(image, (0, 0), sigma))


@pytest.mark.parametrize("side", [1, 3, 5, 9, 17])
def test_masks_are_dilated_by_a_disc(call, side):
    mask = (RNG.random((64, 80)) > 0.98).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    np.testing.assert_array_equal(call(FILTER, "dilateByDisc", mask, side), cv2.dilate(mask, disc))


def test_colors(call):
    gray = call(FILTER, "rgbToGray", NOISE)
    np.testing.assert_array_equal(gray, cv2.cvtColor(NOISE, cv2.COLOR_RGB2GRAY))
    matrix = RNG.normal(size=(3, 3)).astype(np.float32)
    moved = call(FILTER, "transform", NOISE, matrix.ravel())
    expected = cv2.transform(NOISE.astype(np.float32), matrix)
    np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_two_images_are_mixed(call):
    other = RNG.integers(0, 256, NOISE.shape, np.uint8)
    mixed = call(FILTER, "addWeighted", NOISE, 1.7, other, -0.7)
    np.testing.assert_array_equal(mixed, cv2.addWeighted(NOISE, 1.7, other, -0.7, 0))
    opacity = RNG.random(NOISE.shape[:2]).astype(np.float32)
    blended = call(FILTER, "blendLinear", NOISE, other, opacity)
    np.testing.assert_array_equal(blended, cv2.blendLinear(NOISE, other, 1 - opacity, opacity))


def test_extent(call):
    mask = np.zeros((40, 50), np.uint8)
    assert call(FILTER, "extent", mask) is None
    mask[7, 12] = mask[20, 30] = 1
    assert call(FILTER, "extent", mask) == [12, 7, 31, 21]
