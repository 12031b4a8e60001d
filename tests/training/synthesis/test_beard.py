"""Telling bearded faces from others."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.training.synthesis.beard import CHIN, THRESHOLD, beard_score


def bearded(image, mesh, gray=70):
    """Draws a beard of short dark hairs over the chin and jaw."""
    cover = np.zeros(image.shape[:2], np.float32)
    hull = cv2.convexHull(mesh[list(CHIN)].astype(np.float32)).astype(np.int32)
    cv2.fillConvexPoly(cover, hull, 1.0)
    cover = cv2.GaussianBlur(cv2.dilate(cover, np.ones((7, 7))), (0, 0), 2)[..., None]
    hairs = np.random.default_rng(0).normal(gray, 25, (*image.shape[:2], 1))
    return np.clip(image * (1 - cover) + hairs * cover, 0, 255).astype(np.uint8)


def test_beards_are_told_from_bare_chins(astronaut):
    image, mesh = astronaut
    assert beard_score(image, mesh) < THRESHOLD
    for gray in (40, 70, 130):  # black, dark, and white beards
        assert beard_score(bearded(image, mesh, gray), mesh) > THRESHOLD
    # The light does not matter much.
    dim = (image * 0.5).astype(np.uint8)
    assert beard_score(dim, mesh) < THRESHOLD < beard_score(bearded(dim, mesh, 30), mesh)
