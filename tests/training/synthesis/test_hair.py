"""Hair that hangs before the sides of a face stays in front of a mask."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.training.synthesis.hair import hair_cover
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import FaceMap, mean_face

HAIR, SKIN, WALL = (60, 35, 25), (225, 175, 150), (120, 170, 220)


def portrait(*, long):
    """A face in the canonical crop, with long or short hair, uint8 `[256, 256, 3]`."""
    image = np.full((256, 256, 3), WALL, np.uint8)
    hull = cv2.convexHull(mean_face().astype(np.float32)).astype(np.int32)
    cv2.ellipse(image, (128, 80), (78, 62), 0, 0, 360, HAIR, -1)
    if long:
        cv2.rectangle(image, (42, 80), (214, 250), HAIR, -1)
    cv2.fillConvexPoly(image, hull, SKIN)
    if long:
        cv2.rectangle(image, (42, 80), (76, 250), HAIR, -1)  # before the left cheek
    return image


def cover_of(image):
    face = FaceMap(mean_face())
    u, v = (x.astype(np.float32) for x in face.face_grid(0, 0, 256, 256))
    return hair_cover(image, mean_face(), face, (0, 0, 256, 256), u, v)


def test_long_hair_is_found_at_the_sides_alone():
    cover = cover_of(portrait(long=True))
    assert cover[150:200, 50:62].min() > 0.9
    assert cover[150:190, 90:166].max() == 0  # skin
    assert cover[:100].max() == 0  # the eyes are never under a mask
    assert cover_of(portrait(long=False)).max() == 0  # a wall is no hair


def test_masks_lie_under_long_hair():
    image, mesh = portrait(long=True), mean_face()
    under = 0
    for seed in range(12):
        pair = synthesize(image, mesh, kind="surgical", seed=seed, hard=True)
        again = synthesize(image, mesh, kind="surgical", seed=seed, hard=True)
        assert (pair.image == again.image).all()
        assert (pair.mask == again.mask).all()
        strip = np.s_[140:190, 48:64]
        under += bool(pair.mask[strip].max() < 30 and pair.mask[:, :72].any())
        # Where nothing is covered, at most the contact shadow changes a pixel.
        free = cv2.dilate(pair.mask, np.ones((61, 61), np.uint8)) == 0
        assert (pair.image[free] == image[free]).all()
    assert 3 <= under < 12
