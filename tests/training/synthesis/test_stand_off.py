"""Masks on turned heads: the front hides the far cheek, and straps end where the head does."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES, draw_shape
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import EARS, NOSE_TIP, mean_face, yaw_ratio
from unmask_sdk.training.synthesis.stand_off import HeadSides, draw_stand_off, lengthen_straps

MOUTH = 14


def turned(degrees):
    """The mean face turned to the image's right, seen from far away.

    Its depth is that of an ellipsoid with a nose.
    """
    mean = mean_face()
    x, y = mean[:, 0] - 128, mean[:, 1] - 150
    depth = 70 * np.sqrt(np.clip(1 - (x / 72) ** 2 - (y / 110) ** 2, 0, 1))
    depth = depth + 24 * np.exp(-((x / 12) ** 2) - ((mean[:, 1] - 145) / 16) ** 2)
    angle = np.radians(degrees)
    across = x * np.cos(angle) + depth * np.sin(angle)
    return np.stack([across + 128, mean[:, 1]], 1)


def picture(mesh):
    """A head of skin color before gray, uint8 `[256, 320, 3]`, with light that is not even."""
    image = np.full((256, 320, 3), 90, np.uint8)
    hull = cv2.convexHull(mesh.astype(np.float32)).astype(np.int32)
    cv2.fillConvexPoly(image, hull, (205, 160, 135))
    return image


def test_the_yaw_ratio_says_how_far_the_nose_points():
    ratios = [yaw_ratio(turned(a)) for a in (0, 10, 20, 30)]
    assert abs(ratios[0]) < 0.05
    assert all(b > a + 0.15 for a, b in itertools.pairwise(ratios))
    # About 1.36 times the tangent, as `draw_stand_off` takes it.
    assert ratios[2] == pytest.approx(1.36 * np.tan(np.radians(20)), rel=0.25)


@pytest.mark.parametrize("kind", MASK_TYPES)
def test_the_front_moves_to_the_side_that_the_head_is_turned_to(kind):
    shape = draw_shape(kind, np.random.default_rng(0))

    def across(mesh, hard=False):
        away = draw_stand_off(shape, mesh, np.random.default_rng(1), hard=hard)
        rings = away.silhouette(shape.outline, lambda points: points, 1.0)
        # The edge stays on the face, the middle of the front moves with all its height.
        assert np.abs(rings[0] - shape.outline).max() < 0.7 * abs(away.across) + 1e-9
        inner = away.middle + (shape.outline - away.middle) * 0.15
        if away.across:
            assert (rings[-1] - inner)[:, 0] == pytest.approx(away.across, rel=0.15)
        return away.across

    assert across(mean_face()) == 0
    assert 0.5 < across(turned(15)) < across(turned(30))
    mirrored = turned(30) * [-1, 1] + [256, 0]
    mirrored[list(EARS)] = mirrored[list(EARS)][::-1]
    assert across(mirrored) < -0.5
    assert across(turned(30), hard=True) > across(turned(30))


@pytest.mark.parametrize("kind", MASK_TYPES)
@pytest.mark.parametrize("hard", [False, True])
def test_masks_on_turned_heads_are_whole_and_their_coverage_is_exact(kind, hard):
    mesh = turned(28)
    image = picture(mesh)
    for seed in range(6):
        pair = synthesize(image, mesh, kind=kind, seed=seed, hard=hard)
        again = synthesize(image, mesh, kind=kind, seed=seed, hard=hard)
        assert (pair.image == again.image).all()
        x, y = np.round(mesh[MOUTH]).astype(int)
        assert pair.mask[y, x] == 255
        # No hole, and nothing is lost beyond the far cheek: one piece, apart from straps.
        body = cv2.morphologyEx(pair.mask, cv2.MORPH_OPEN, np.ones((11, 11), np.uint8))
        count, _ = cv2.connectedComponents((body > 127).astype(np.uint8))
        assert count == 2
        outside = cv2.copyMakeBorder((body <= 127).astype(np.uint8), 1, 1, 1, 1, 0, value=1)
        holes, _ = cv2.connectedComponents(outside)
        assert holes == 2
        far = cv2.dilate(pair.mask, np.ones((41, 41), np.uint8)) == 0
        assert (pair.image[far] == image[far]).all()


def test_ordinary_masks_on_frontal_faces_do_not_depend_on_it(astronaut):
    _, mesh = astronaut
    shape = draw_shape("surgical", np.random.default_rng(0))
    frontal = mean_face()
    away = draw_stand_off(shape, frontal, np.random.default_rng(0), hard=True)
    assert away.across == 0
    assert len(away.silhouette(shape.outline, lambda points: points, 1.0)) == 1
    u = np.linspace(60, 200, 50, dtype=np.float32)
    assert (away.on_cloth(u, u) == u).all()
    assert lengthen_straps(shape, frontal, np.random.default_rng(0)) is shape
    assert abs(yaw_ratio(mesh)) < 0.25  # the astronaut looks at the camera
    assert HeadSides.of(mesh, away, 1.0).far == 0


def test_straps_end_at_the_far_cheek_and_reach_the_near_ear():
    mesh = turned(28)
    shape = draw_shape("surgical", np.random.default_rng(4))
    assert {int(np.sign(strap[0, 0] - 128)) for strap in shape.straps} == {-1, 1}
    away = draw_stand_off(shape, mesh, np.random.default_rng(1), hard=False)
    head = HeadSides.of(mesh, away, 1.0)
    assert head.far == 1
    beyond = mesh[:, 0].max() + away.across + 8
    inside = mesh[NOSE_TIP, 0]
    polygon = head.wrapped.astype(np.float32)
    assert cv2.pointPolygonTest(polygon, (float(beyond), 150.0), False) < 0
    assert cv2.pointPolygonTest(polygon, (float(inside), 170.0), False) > 0
    assert cv2.pointPolygonTest(polygon, (float(mesh[:, 0].min() - 40), 170.0), False) > 0
    longer = lengthen_straps(shape, mesh, np.random.default_rng(1))
    for before, after in zip(shape.straps, longer.straps, strict=True):
        near = before[0, 0] < 128
        assert (before[0] == after[0]).all()
        assert (after[-1, 0] < before[-1, 0] - 3) == near
