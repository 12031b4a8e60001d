"""Resizing as OpenCV does, bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (203, 311, 3), np.uint8)
METHODS = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}


def _check(call, image, width, height, method):
    resized = call("imaging/resize.js", "resize", image, width, height, method)
    expected = cv2.resize(image, (width, height), interpolation=METHODS[method])
    np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 7])
def test_whole_factors(call, factor):
    width, height = 311 // factor, 203 // factor
    image = np.ascontiguousarray(NOISE[: height * factor, : width * factor])
    _check(call, image, width, height, "area")
    _check(call, image[..., 0].astype(np.float32), width, height, "area")


def test_a_half_leaves_out_an_odd_row_and_column(call):
    """OpenCV averages by 2.01 then, in another way."""
    _check(call, NOISE, 155, 101, "area")


@pytest.mark.parametrize("size", [(101, 77), (310, 202), (64, 64), (311, 101), (1, 1)])
def test_fractional_factors(call, size):
    _check(call, NOISE, *size, "area")
    _check(call, NOISE[..., 1].astype(np.float32) / 255, *size, "area")


@pytest.mark.parametrize("size", [(258, 136), (310, 202), (300, 203), (157, 101), (1, 1)])
def test_linear(call, size):
    _check(call, NOISE, *size, "linear")
    _check(call, np.ascontiguousarray(NOISE[..., 2]), *size, "linear")


def test_a_real_photo(call, astronaut):
    photo, _ = astronaut
    for method in METHODS:
        _check(call, photo, 311, 207, method)
