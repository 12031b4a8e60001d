"""Filters as OpenCV computes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(0)
# Numbers of OpenCV's `CpuFeatures`, which have no names in Python.
AVX2, FMA3 = 11, 12
NOISE = RNG.integers(0, 256, (75, 111, 3), np.uint8)
FILTER = "imaging/filter.js"
# Without these instructions OpenCV rounds products of floats by themselves.
FUSED = cv2.checkHardwareSupport(FMA3) and cv2.checkHardwareSupport(AVX2)
TOLERANCE = 0 if FUSED else 1e-4


@pytest.mark.parametrize(("side", "sigma"), [(0, 0.7), (5, 0.8), (9, 1.386), (15, 2.77)])
def test_floats_are_blurred(call, side, sigma):
    # The last values of a row, if they do not fill a vector, are rounded in another way by OpenCV.
    part = NOISE[:, :96].astype(np.float32)
    for image in (part, np.ascontiguousarray(part[..., 0])):
        blurred = call(FILTER, "gaussianBlur", image, side, sigma)
        expected = cv2.GaussianBlur(image, (side, side), sigma)
        np.testing.assert_allclose(blurred, expected, rtol=0, atol=TOLERANCE)
    blurred = call(FILTER, "gaussianBlur", NOISE.astype(np.float32), side, sigma)
    expected = cv2.GaussianBlur(NOISE.astype(np.float32), (side, side), sigma)
    np.testing.assert_allclose(blurred, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", [3, 5])
def test_masks_are_blurred_by_fixed_weights(call, side):
    mask = (NOISE[..., 0] > 127).astype(np.float32)
    blurred = call(FILTER, "gaussianBlur", mask, side, 0)
    np.testing.assert_array_equal(blurred, cv2.GaussianBlur(mask, (side, side), 0))


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
    # OpenCV rounds the last pixels of a row in another way.
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-4)


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
