"""Blending: exact where nothing is blended, near where the photo's own crop is blended back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.compositing.blend import FADE, WIDEN, blend_crop, blend_opacity
from unmask_sdk.faces.align import crop_matrix, transform_points, warp_crop

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (240, 320, 3), np.uint8)
Y, X = np.mgrid[:256, :256]
MASK = (((X - 128) / 55) ** 2 + ((Y - 175) / 50) ** 2 < 1).astype(np.uint8) * 255

transforms = st.tuples(
    st.floats(-60, 380), st.floats(-60, 300), st.floats(0.02, 20), st.floats(-np.pi, np.pi)
)


def placed(x: float, y: float, pixels: float, angle: float) -> np.ndarray:
    """Photo-to-crop matrix: crop center at (x, y), photo pixels per crop pixel, angle."""
    c, s = np.cos(angle) / pixels, np.sin(angle) / pixels
    return np.array([[c, -s, 127.5 - c * x + s * y], [s, c, 127.5 - s * x - c * y]])


def reach(mask: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Photo pixels that may change: within the documented distance of the mask, plus one pixel."""
    away = cv2.distanceTransform((mask < 8).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), -1)
    points = transform_points(matrix, grid)
    pixels = 1 / np.hypot(matrix[0, 0], matrix[1, 0])
    # Interpolation reads one more pixel, of the coarser of photo and crop.
    limit = WIDEN + FADE + 1.5 + 2.5 * max(1, 1 / pixels)
    inside = ((points > -2 / pixels - 1) & (points < 256 + 2 / pixels)).all(-1)
    nearest = np.clip(np.rint(points), 0, 255).astype(int)
    return inside & (away[nearest[..., 1], nearest[..., 0]] <= limit)


@settings(max_examples=60, deadline=None)
@given(transforms, st.integers(0, 3))
def test_pixels_away_from_the_mask_are_untouched(transform, kind):
    matrix = placed(*transform)
    rng = np.random.default_rng(kind)
    masks = (MASK, np.full_like(MASK, 255), MASK // 40, rng.integers(0, 2, MASK.shape) * MASK)
    mask = masks[kind].astype(np.uint8)
    photo = NOISE.copy()
    region = blend_crop(photo, rng.integers(0, 256, (256, 256, 3), np.uint8), mask, matrix)
    changed = (photo != NOISE).any(-1)
    assert not (changed & ~reach(mask, matrix, photo.shape)).any()
    if region is None:
        assert not changed.any()
    else:
        x0, y0, x1, y1 = region
        changed[y0:y1, x0:x1] = False
        assert not changed.any()


@settings(max_examples=30, deadline=None)
@given(transforms)
def test_empty_mask_changes_nothing(transform):
    photo = NOISE.copy()
    assert (
        blend_crop(photo, np.zeros((256, 256, 3), np.uint8), MASK * 0, placed(*transform)) is None
    )
    np.testing.assert_array_equal(photo, NOISE)


@given(st.integers(-100, 200), st.integers(-100, 100))
def test_crop_blended_back_equals_the_photo(dx, dy):
    matrix = np.array([[1.0, 0, -dx], [0, 1.0, -dy]])
    photo = NOISE.copy()
    blend_crop(photo, warp_crop(photo, matrix), np.full_like(MASK, 255), matrix)
    assert np.abs(photo.astype(int) - NOISE).max() <= 1


@pytest.mark.parametrize("pixels", [0.3, 0.5, 0.9, 1.1, 2.0, 4.0, 9.0])
@pytest.mark.parametrize("angle", [0.0, 0.6, -2.5])
def test_smooth_crop_blended_back_is_near_the_photo(pixels, angle):
    y, x = np.mgrid[:900, :1200]
    wave = 128 + 60 * np.sin(x / (40 * pixels)) + 60 * np.cos(y / (30 * pixels))
    photo = np.repeat(wave[..., None], 3, 2).astype(np.uint8)
    matrix = placed(600, 450, pixels, angle)
    before = photo.copy()
    region = blend_crop(photo, warp_crop(photo, matrix), MASK, matrix)
    assert region is not None
    difference = np.abs(photo.astype(int) - before)
    assert difference.max() <= 3
    assert difference.sum() / (photo != before).sum().clip(1) <= 1.5


@pytest.mark.parametrize("pixels", [0.3, 1.0, 4.0])
def test_mask_is_replaced_completely(pixels):
    matrix = placed(160, 120, pixels, 0.3)
    photo = np.zeros((240, 320, 3), np.uint8)
    photo[...] = (20, 60, 230)
    blend_crop(photo, np.full((256, 256, 3), (200, 150, 120), np.uint8), MASK, matrix)
    grid = np.stack(np.meshgrid(np.arange(320), np.arange(240)), -1)
    points = np.rint(transform_points(matrix, grid)).astype(int)
    inside = ((points >= 12) & (points < 244)).all(-1)
    clipped = np.clip(points, 0, 255)
    inside &= MASK[clipped[..., 1], clipped[..., 0]] == 255
    error = np.abs(photo[inside].astype(int) - (200, 150, 120))
    # In a small face a pixel across the edge is a mixture.
    assert error.max() <= (0 if pixels >= 1 else 45)


def test_opacity_covers_the_mask_and_fades_out():
    cover = blend_opacity(MASK)
    assert cover.min() >= 0
    assert (cover[MASK > 0] == 1).all()
    away = cv2.distanceTransform((MASK == 0).astype(np.uint8), cv2.DIST_L2, 5)
    assert (cover[away > WIDEN + FADE + 1] == 0).all()
    # No visible step: neighbors differ by less than half.
    assert max(np.abs(np.diff(cover, axis=a)).max() for a in (0, 1)) < 0.5
    everywhere = blend_opacity(np.full((256, 256), 255, np.uint8))
    edge = np.concatenate([everywhere[0], everywhere[-1], everywhere[:, 0], everywhere[:, -1]])
    assert (edge == 0).all()
    assert everywhere[128, 128] == 1


def test_sides_beyond_16_bits_work():
    photo = np.zeros((300, 40_000, 3), np.uint8)
    eyes = np.array([[39_000.0, 120], [39_060.0, 120]])
    matrix = crop_matrix(eyes)
    assert warp_crop(photo, matrix).max() == 0
    region = blend_crop(photo, np.full((256, 256, 3), 99, np.uint8), MASK, matrix)
    assert region is not None
    assert photo[183, 39_030].tolist() == [99, 99, 99]


@pytest.mark.parametrize("pixels", [0.4, 3.0])
def test_tiles_join_without_a_seam(pixels, monkeypatch):
    crop = cv2.GaussianBlur(RNG.integers(0, 256, (256, 256, 3), np.uint8), (0, 0), 4)
    images = []
    for side in (10_000, 37):
        monkeypatch.setattr("unmask_sdk.compositing.blend._TILE", side)
        photo = NOISE.copy()
        assert blend_crop(photo, crop, MASK, placed(160, 60, pixels, 0.4)) is not None
        images.append(photo.astype(int))
    # Interpolation rounds to 1/32 of a pixel, from each tile's corner.
    assert np.abs(images[0] - images[1]).max() <= 2
