"""Scales, letterboxing, decoding and suppression equal those of the Python package."""

from __future__ import annotations

import numpy as np
import pytest

from example_photos import example_photo
from unmask_sdk.faces import detector_postprocess as python
from web_calls import Flat

pytestmark = pytest.mark.browser

MODULE = "faces/detector_postprocess.js"
RNG = np.random.default_rng(3)
SIDES = [(1, 1), (30, 900), (255, 256), (481, 640), (720, 1280), (1000, 701), (2999, 4001)]


@pytest.mark.parametrize(("height", "width"), SIDES)
def test_scales(call, height, width):
    found = call(MODULE, "detectorScales", height, width)
    np.testing.assert_allclose(found, python.detector_scales(height, width), rtol=1e-15)


@pytest.mark.parametrize(("height", "width"), SIDES)
def test_letterbox_is_equal_bit_for_bit(call, height, width):
    noise = RNG.integers(0, 256, (height, width, 3), np.uint8)
    halves, expected_halves = [], []
    for scale in python.detector_scales(height, width):
        expected, factors = python.letterbox(noise, scale, expected_halves)
        _, _, halves, found = call.changed(MODULE, "letterbox", noise, scale, halves)
        np.testing.assert_array_equal(found["canvas"], expected)
        np.testing.assert_allclose(found["factors"], factors, rtol=1e-15)


def test_letterbox_of_photos(call):
    for seed in range(5):
        photo = example_photo(seed)
        for scale in python.detector_scales(*photo.shape[:2]):
            expected, _ = python.letterbox(photo, scale)
            found = call(MODULE, "letterbox", photo, scale)
            np.testing.assert_array_equal(found["canvas"], expected)


def test_decoded_boxes(call):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        # Few values, so that neighbors are equal.
        heat = (rng.integers(0, 20, (17, 23)) / 19).astype(np.float32)
        box = rng.normal(0, 1, (17, 23, 4)).astype(np.float32)
        box[0, 0] = (0, 0, 99, -99)
        expected, heats = python.decode_boxes(heat, box)
        found = call(MODULE, "decodeBoxes", Flat(heat), Flat(box), 17, 23)
        np.testing.assert_allclose(found["boxes"], expected, rtol=1e-12, atol=1e-9)
        np.testing.assert_array_equal(found["heats"], heats)


def test_suppression(call):
    corners = RNG.uniform(0, 100, (200, 2))
    boxes = np.hstack([corners, corners + RNG.uniform(5, 60, (200, 2))])
    scores = RNG.integers(0, 50, 200) / 50
    assert call(MODULE, "nms", boxes.tolist(), scores.tolist(), 0.4) == python.nms(
        boxes, scores, 0.4
    )
    assert call(MODULE, "nms", [], [], 0.4) == []


def test_matrices(call):
    for _ in range(20):
        x, y, side = RNG.uniform(0, 500, 3)
        box = np.array([x, y, x + side + 1, y + 0.8 * side + 1])
        found = call(MODULE, "boxMatrix", box.tolist())
        np.testing.assert_allclose(found.reshape(2, 3), python.box_matrix(box), rtol=1e-12)
        points = RNG.uniform(0, 300, (5, 2))
        found = call(MODULE, "pointsMatrix", points.tolist())
        expected = python.points_matrix(points)
        np.testing.assert_allclose(found.reshape(2, 3), expected, rtol=1e-9, atol=1e-9)
    same = np.full((5, 2), 7.0)
    found = call(MODULE, "pointsMatrix", same.tolist())
    np.testing.assert_allclose(found.reshape(2, 3), python.points_matrix(same))
