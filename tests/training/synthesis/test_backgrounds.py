"""Exchanging backgrounds: the person stays, the background goes, and poor cut-outs are refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.training.synthesis.backgrounds import KINDS, draw_background, exchange_background
from unmask_sdk.training.synthesis.cut_out import CutOut, guided_filter, is_usable, separate
from unmask_sdk.training.synthesis.mesh import mean_face


def disc(side=120, softness=2.0):
    """A red disc, of soft edge, before green: image, coverage, uint8 and float32."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    alpha = np.clip((40 - np.hypot(x - 60, y - 60)) / (2 * softness) + 0.5, 0, 1)
    color = alpha[..., None] * [200, 30, 30] + (1 - alpha[..., None]) * [20, 180, 40]
    return np.asarray(color + 0.5, np.uint8), alpha.astype(np.float32)


def test_no_fringe_of_the_old_background_is_left():
    image, alpha = disc()
    cut = separate(image.astype(np.float32), alpha, unit=1.0)
    new = cut.before(np.full((*alpha.shape, 3), 255, np.float32)).astype(int)
    expected = alpha[..., None] * [200, 30, 30] + (1 - alpha[..., None]) * 255
    assert np.abs(new - expected)[alpha > 0].max() < 25
    # Without separation the green would stay in the edge.
    naive = image * alpha[..., None] + 255 * (1 - alpha[..., None])
    edge = (alpha > 0.2) & (alpha < 0.8)
    assert np.abs(naive - expected)[edge].mean() > 4 * np.abs(new - expected)[edge].mean()


def test_the_guided_filter_brings_a_coarse_edge_to_the_images_edge():
    image, alpha = disc(softness=0.6)
    coarse = cv2.GaussianBlur(alpha, (0, 0), 3)
    fine = guided_filter(image.astype(np.float32) / 255, coarse, 8, 1e-4)
    steps = [np.abs(np.diff(plane[60])).max() for plane in (coarse, fine, alpha)]
    assert steps[1] > 2.5 * steps[0]
    assert steps[1] > 0.6 * steps[2]


def person(width=75):
    """How likely each pixel of the canonical crop is the person: a head on shoulders."""
    plane = np.zeros((256, 256), np.float32)
    cv2.ellipse(plane, (128, 130), (width, 110), 0, 0, 360, 1.0, -1)
    cv2.rectangle(plane, (10, 225), (245, 256), 1.0, -1)
    return plane


def test_poor_cut_outs_are_refused():
    mesh = mean_face()
    good = person()
    assert is_usable(good, mesh)
    assert is_usable(cv2.GaussianBlur(good, (0, 0), 1.5), mesh)
    assert not is_usable(np.ones_like(good), mesh)  # no background
    assert not is_usable(np.zeros_like(good), mesh)
    assert not is_usable(cv2.GaussianBlur(good, (0, 0), 14), mesh)  # an uncertain edge
    half = good.copy()
    half[:, 150:] = 0
    assert not is_usable(half, mesh)  # a cheek is missing


@pytest.mark.parametrize("kind", KINDS)
def test_backgrounds_depend_on_the_seed_and_are_what_they_are_called(astronaut, kind):
    image, _ = astronaut
    image = image[:300, 100:350]
    alpha = np.zeros(image.shape[:2], np.float32)
    cv2.ellipse(alpha, (120, 110), (45, 65), 0, 0, 360, 1.0, -1)
    cut = separate(image.astype(np.float32), cv2.GaussianBlur(alpha, (0, 0), 1), 0.7)
    assert isinstance(cut, CutOut)
    other = image[::-1]
    new = exchange_background(image, cut, other, 5, kind)
    assert (new == exchange_background(image, cut, other, 5, kind)).all()
    assert (new != exchange_background(image, cut, other, 6, kind)).any()
    inside = cv2.erode(alpha, np.ones((15, 15))) > 0
    assert np.abs(new[inside].astype(int) - image[inside]).max() <= 1
    background = draw_background(kind, cut, other, np.random.default_rng(2))
    assert background.shape == image.shape
    if kind == "white":
        assert background.mean() > 235
    # All of them are smooth: nothing to be seen in focus.
    gray = background.mean(-1)
    assert np.abs(np.diff(gray, axis=0)).mean() < 4
