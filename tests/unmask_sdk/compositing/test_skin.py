"""Which blocks of a photo count as skin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_sdk.compositing.skin import full_blocks, skin_blocks

SKIN, HAIR = (200, 150, 120), (60, 45, 35)
CROP = np.eye(2, 3)
KEPT = np.ones((32, 32), np.bool_)


def crop(color: tuple[int, int, int] = SKIN) -> np.ndarray:
    return np.full((256, 256, 3), color, np.uint8)


def covered(blocks: np.ndarray) -> np.ndarray:
    """Pixels of blocks of 8."""
    return np.kron(blocks, np.ones((8, 8))) > 0


def test_skin_is_the_face_without_eyes_and_mouth():
    found = covered(skin_blocks(crop(), KEPT, CROP, 8))
    for x, y in ((128, 75), (128, 105), (95, 135), (161, 135), (95, 160)):
        assert found[y, x]
    for x, y in ((98, 110), (158, 110), (95, 92), (128, 182), (60, 120), (128, 40), (128, 240)):
        assert not found[y, x]


@pytest.mark.parametrize("color", [HAIR, (40, 90, 220), (255, 255, 255), (0, 0, 0), (90, 160, 60)])
def test_other_colors_are_not_skin(color):
    view = crop()
    view[:88] = color
    found = covered(skin_blocks(view, KEPT, CROP, 8))
    assert not found[:88].any()
    assert found[88:].any()


def test_light_and_shade_are_skin():
    view = np.rint(crop() * np.linspace(0.75, 1.2, 256)[:, None]).clip(0, 250).astype(np.uint8)
    plain = skin_blocks(crop(), KEPT, CROP, 8)
    np.testing.assert_array_equal(skin_blocks(view, KEPT, CROP, 8), plain)


def test_what_is_masked_is_not_skin():
    kept = KEPT.copy()
    kept[15:] = False
    found = skin_blocks(crop(), kept, CROP, 8)
    assert found.any()
    assert not found[15:].any()
    assert not skin_blocks(crop(), ~KEPT, CROP, 8).any()


@pytest.mark.parametrize("level", [0, 2, 253, 255])
def test_clipped_pixels_are_not_measured(level):
    assert not skin_blocks(crop((level, level, level)), KEPT, CROP, 8).any()


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([4, 8]), st.integers(0, 9))
def test_images_of_any_size_have_blocks(height, width, block, seed):
    where = np.random.default_rng(seed).random((height, width)) > 0.01
    found = full_blocks(where, block)
    assert found.shape == (height // block, width // block)
    view = np.full((height, width, 3), SKIN, np.uint8)
    skin = skin_blocks(view, found, CROP, block)
    assert not (skin & ~found).any()
    for y, x in np.argwhere(found):
        assert where[y * block : (y + 1) * block, x * block : (x + 1) * block].all()
        assert 0 < y < found.shape[0] - 1
        assert 0 < x < found.shape[1] - 1
