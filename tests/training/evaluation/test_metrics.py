"""Fidelity metrics count the right pixels, with the right values."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.training.evaluation.metrics import (
    compare,
    intersection_over_union,
    psnr,
    seam,
    sharpness,
)


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    truth = rng.integers(40, 200, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[24:56, 16:48] = 255
    valid = np.full((64, 64), 255, np.uint8)
    valid[:, 60:] = 0
    return truth, mask, valid


def test_the_truth_has_perfect_fidelity(scene):
    truth, mask, valid = scene
    found = compare(truth, truth, mask, valid)
    assert found.psnr == found.hole_psnr == 100
    assert found.ssim == pytest.approx(1)
    assert found.l1 == found.hole_l1 == found.seam_l1 == 0


@given(error=st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_a_constant_error_in_the_hole_is_measured(error):
    truth = np.full((64, 64, 3), 100, np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 255
    image = truth.copy()
    image[mask > 0] += np.uint8(error)
    found = compare(image, truth, mask, np.full_like(mask, 255))
    assert found.hole_l1 == pytest.approx(error)
    assert found.hole_psnr == pytest.approx(psnr((error / 255) ** 2))
    assert found.l1 == pytest.approx(error * 400 / 64**2)


def test_pixels_without_data_never_count(scene):
    truth, mask, valid = scene
    image = truth.copy()
    image[:, 61:] = 0
    assert compare(image, truth, mask, valid).l1 == 0


def test_the_seam_is_on_both_sides_of_the_edge(scene):
    _, mask, _ = scene
    band = seam(mask)
    assert band[24, 30]
    assert band[17, 30]
    assert band[31, 30]
    assert not band[15, 30]
    assert not band[40, 32]


def test_intersection_over_union():
    a = np.zeros((8, 8), np.uint8)
    a[:4] = 255
    valid = np.full_like(a, 255)
    assert intersection_over_union(a, a, valid) == 1
    assert intersection_over_union(a, 255 - a, valid) == 0
    assert intersection_over_union(a * 0, a * 0, valid) == 1
    b = np.zeros_like(a)
    b[:2] = 255
    assert intersection_over_union(b, a, valid) == pytest.approx(0.5)


def test_sharpness_falls_with_blur_and_is_one_for_the_truth(scene):
    truth, mask, valid = scene
    assert sharpness(truth, truth, mask, valid) == 1
    soft, softer = (
        sharpness(cv2.GaussianBlur(truth, (0, 0), sigma), truth, mask, valid) for sigma in (0.7, 2)
    )
    assert 1 > soft > softer > 0


def test_sharpness_needs_a_hole_and_detail_in_it(scene):
    truth, mask, valid = scene
    small = np.zeros_like(mask)
    small[30:33, 30:33] = 255
    assert sharpness(truth, truth, small, valid) is None
    flat = np.full_like(truth, 90)
    assert sharpness(truth, flat, mask, valid) is None


def test_sharpness_counts_only_the_inside_of_the_hole(scene):
    truth, mask, valid = scene
    image = cv2.GaussianBlur(truth, (0, 0), 3)
    image[25:55, 17:47] = truth[25:55, 17:47]
    assert sharpness(image, truth, mask, valid) == pytest.approx(1, rel=0.02)
