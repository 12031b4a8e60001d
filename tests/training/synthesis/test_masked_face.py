"""Synthetic masks: reproducible, on the face, with exact coverage."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.errors import DataError, InvalidInputError
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import FaceMap, eye_centers, mean_face


@pytest.mark.parametrize("kind", MASK_TYPES)
def test_the_image_depends_on_the_seed(astronaut, kind):
    image, mesh = astronaut
    first = synthesize(image, mesh, kind=kind, seed=5)
    again = synthesize(image, mesh, kind=kind, seed=5)
    other = synthesize(image, mesh, kind=kind, seed=6)
    assert first.kind == kind
    assert (first.image == again.image).all()
    assert (first.mask == again.mask).all()
    assert (first.image != other.image).any()


@pytest.mark.parametrize("kind", MASK_TYPES)
@pytest.mark.parametrize("seed", range(8))
def test_the_mask_covers_the_mouth_and_not_the_eyes(astronaut, kind, seed):
    image, mesh = astronaut
    mask = synthesize(image, mesh, kind=kind, seed=seed).mask

    def at(point):
        x, y = np.round(mesh[point]).astype(int)
        return mask[y, x]

    assert at(14) == 255  # lower lip
    left, right = np.round(eye_centers(mesh)).astype(int)
    assert mask[left[1], left[0]] == 0
    assert mask[right[1], right[0]] == 0


@pytest.mark.parametrize("kind", MASK_TYPES)
def test_hard_masks_differ_from_ordinary_ones(astronaut, kind):
    image, mesh = astronaut
    hard = [synthesize(image, mesh, kind=kind, seed=seed, hard=True) for seed in range(8)]
    again = synthesize(image, mesh, kind=kind, seed=3, hard=True)
    assert (again.image == hard[3].image).all()
    x, y = np.round(mesh[14]).astype(int)  # lower lip
    for seed, pair in enumerate(hard):
        ordinary = synthesize(image, mesh, kind=kind, seed=seed)
        assert (pair.mask != ordinary.mask).any()
        assert pair.mask[y, x] == 255
        outside = cv2.dilate(pair.mask, np.ones((61, 61), np.uint8)) == 0
        assert (pair.image[outside] == image[outside]).all()


def test_the_image_is_unchanged_far_from_the_mask(astronaut):
    image, mesh = astronaut
    pair = synthesize(image, mesh, kind="surgical", seed=1)
    rows, columns = np.nonzero(pair.mask)
    away = np.ones(pair.mask.shape, bool)
    away[
        max(0, rows.min() - 25) : rows.max() + 25, max(0, columns.min() - 25) : columns.max() + 25
    ] = 0
    assert (pair.image[away] == image[away]).all()
    inside = pair.mask == 255
    assert np.abs(pair.image[inside].astype(int) - image[inside]).mean() > 15


def test_the_shadow_falls_on_face_and_neck_but_not_behind_them():
    mesh = mean_face()
    image = np.full((300, 256, 3), 255, np.uint8)
    hull = cv2.convexHull(mesh.astype(np.float32)).astype(np.int32)
    cv2.fillConvexPoly(image, hull, (215, 170, 150))
    cv2.rectangle(image, (86, 190), (170, 299), (215, 170, 150), -1)
    for seed in range(8):
        pair = synthesize(image, mesh, kind="surgical", seed=seed)
        darker = (image.astype(int) - pair.image).max(-1) * (pair.mask == 0)
        wall = cv2.erode((image == 255).all(-1).astype(np.uint8), np.ones((9, 9))) > 0
        assert darker[wall].max() <= 3
        assert darker.max() > 8  # there is one, on the skin


def test_a_scarf_covers_the_neck(astronaut):
    image, mesh = astronaut
    chin = int(mesh[152, 1])
    unit = np.linalg.norm(np.subtract(*eye_centers(mesh))) / 60
    scarf = synthesize(image, mesh, kind="scarf", seed=2).mask
    assert scarf[int(chin + 15 * unit)].max() == 255


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(8, 300),
    width=st.integers(8, 300),
    x=st.floats(-100, 400),
    y=st.floats(-100, 400),
    scale=st.floats(0.05, 3),
    roll=st.floats(-3.2, 3.2),
    hard=st.booleans(),
)
def test_any_face_position_gives_a_valid_pair(seed, height, width, x, y, scale, roll, hard):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    c, s = np.cos(roll) * scale, np.sin(roll) * scale
    mesh = (mean_face() - 128) @ np.array([[c, s], [-s, c]]) + [x, y]
    pair = synthesize(image, mesh, seed=seed, hard=hard)
    assert pair.image.shape == image.shape
    assert pair.image.dtype == np.uint8
    assert pair.mask.shape == image.shape[:2]
    assert pair.kind in MASK_TYPES


def test_invalid_input_is_refused(astronaut):
    image, mesh = astronaut
    with pytest.raises(InvalidInputError, match="kind must be one of"):
        synthesize(image, mesh, kind="veil")
    with pytest.raises(InvalidInputError, match="uint8"):
        synthesize(image.astype(np.float32), mesh)
    with pytest.raises(DataError, match="468"):
        synthesize(image, mesh[:100])
    broken = mesh.copy()
    broken[0] = np.nan
    with pytest.raises(DataError, match="finite"):
        synthesize(image, broken)


def test_the_face_map_is_invertible(astronaut):
    _, mesh = astronaut
    face = FaceMap(mesh)
    points = mean_face()
    mapped_back = face.to_face(face.to_image(points))
    assert np.abs(mapped_back - points).max() < 1.5
    u, v = face.face_grid(190, 90, 200, 97)
    x, y = np.meshgrid(np.arange(190, 200), np.arange(90, 97))
    expected = face.to_face(np.stack([x, y], -1))
    np.testing.assert_allclose(np.stack([u, v], -1), expected, atol=1e-9)


def test_the_mean_face_has_the_eyes_of_the_canonical_crop():
    eyes = eye_centers(mean_face())
    np.testing.assert_allclose(eyes, [[98, 112], [158, 112]], atol=0.3)
    np.testing.assert_allclose(transform_points(crop_matrix(eyes), eyes), [[98, 112], [158, 112]])
