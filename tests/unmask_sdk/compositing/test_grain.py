"""Grain: as strong and as coarse as the photo's, only in the fill, and reproducible."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.compositing.blend import Texture, blend_crop, blend_opacity
from unmask_sdk.compositing.grain import BANDS, add_grain
from unmask_sdk.faces.align import crop_matrix, warp_crop

Y, X = np.mgrid[:256, :256]
MASK = (((X - 128) / 55) ** 2 + ((Y - 175) / 50) ** 2 < 1).astype(np.uint8) * 255


def skin(height: int = 480, width: int = 640) -> np.ndarray:
    """Smooth shading in the colors of skin, float."""
    y, x = np.mgrid[:height, :width]
    shade = 150 + 30 * np.sin(x / 170) + 20 * np.cos(y / 140)
    return shade[..., None] * np.array([1.1, 0.9, 0.8])


def noisy(strength: float, blur: float, gray: bool = False, seed: int = 0) -> np.ndarray:
    clean = skin()
    noise = np.random.default_rng(seed).normal(0, 1, clean.shape)
    if gray:
        noise = np.repeat(noise[..., :1], 3, 2)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
        noise /= noise.std()
    return np.clip(np.rint(clean + strength * noise), 0, 255).astype(np.uint8)


def eyes(distance: float) -> np.ndarray:
    return np.array([[320 - distance / 2, 150.0], [320 + distance / 2, 150.0]])


def pasted(photo: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Fills the mask with what a network would generate: the shading without the noise."""
    crop = warp_crop(photo, matrix)
    clean = warp_crop(np.rint(skin()).astype(np.uint8), matrix)
    out = photo.copy()
    blend_crop(out, np.where(MASK[..., None] > 0, clean, crop), MASK, matrix)
    return out


def spectrum(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Standard deviations of three bands, in gray and in blue minus red, `[2, 3]`."""
    found = []
    floats = image.astype(np.float32)
    for plane in (floats.mean(-1), floats[..., 2] - floats[..., 0]):
        blurs = [plane, *(cv2.GaussianBlur(plane, (0, 0), s) for s in (0.8, 1.6, 3.2))]
        found.append([(a - b)[where].std() for a, b in pairwise(blurs)])
    return np.array(found)


def regions(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of the photo that are filled completely, and that are not touched."""
    warp = {"flags": cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR}
    alpha = cv2.warpAffine(blend_opacity(MASK), matrix, (640, 480), **warp)
    inside = cv2.erode((alpha > 0.999).astype(np.uint8), np.ones((9, 9))) > 0
    return inside, cv2.dilate(alpha, np.ones((5, 5))) == 0


@pytest.mark.parametrize("distance", [40, 60, 110, 200])
@pytest.mark.parametrize(
    ("strength", "blur", "gray"), [(4, 0, False), (10, 0, False), (5, 0.8, False), (6, 0, True)]
)
def test_fill_is_as_noisy_as_the_photo(distance, strength, blur, gray):
    matrix = crop_matrix(eyes(distance))
    photo = noisy(strength, blur, gray)
    out = pasted(photo, matrix)
    inside, outside = regions(matrix)
    np.testing.assert_array_equal(out[outside], photo[outside])
    wanted, found = spectrum(photo, inside), spectrum(out, inside)
    # A tenth of a level is invisible; coarse noise in a small face is left to the network.
    bands = 3 if distance >= 110 else 2
    ratio = (found[:, :bands] + 0.3) / (wanted[:, :bands] + 0.3)
    assert ratio.min() > 0.75
    assert ratio.max() < 1.35


def test_photo_without_noise_gets_no_grain():
    matrix = crop_matrix(eyes(90))
    photo = np.rint(skin()).astype(np.uint8)
    out = pasted(photo, matrix)
    assert np.abs(out.astype(int) - photo).max() <= 2


def test_strands_of_hair_and_checks_are_not_noise():
    """Half of what is visible has strong lines; the other half gives the estimate."""
    photo = noisy(0, 0)
    photo[:, ::3] //= 2
    photo[130:] = np.rint(skin()).astype(np.uint8)[130:]
    matrix = crop_matrix(eyes(110))
    out = pasted(photo, matrix)
    inside, _ = regions(matrix)
    assert np.abs(out[inside].astype(int) - photo[inside]).max() <= 3


def test_fill_is_as_sharp_as_a_large_photo():
    """Edges that the crop shows, but softer than the photo does."""
    matrix = crop_matrix(eyes(150))
    photo = np.rint(skin()).astype(np.uint8)
    photo[(np.arange(480) // 12) % 2 == 0, 230:330] //= 2
    photo = cv2.GaussianBlur(photo, (0, 0), 1.0)
    crop = warp_crop(photo, matrix)
    out = photo.copy()
    blend_crop(out, crop, MASK, matrix)
    inside, _ = regions(matrix)
    soft = cv2.warpAffine(crop, matrix, (640, 480), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC)
    inside &= np.arange(640) // 50 == 5
    errors = [np.square(p.astype(float) - photo)[inside].mean() for p in (out, soft)]
    assert errors[0] < 0.85 * errors[1]


def test_same_photo_gives_the_same_result():
    matrix = crop_matrix(eyes(110))
    photo = noisy(6, 0)
    np.testing.assert_array_equal(pasted(photo, matrix), pasted(photo, matrix))


def test_gray_photo_stays_gray():
    matrix = crop_matrix(eyes(110))
    clean = np.repeat(skin().mean(-1, keepdims=True), 3, 2)
    noise = np.random.default_rng(0).normal(0, 8, (*clean.shape[:2], 1))
    photo = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    crop = warp_crop(photo, matrix)
    fill = np.where(MASK[..., None] > 0, warp_crop(np.rint(clean).astype(np.uint8), matrix), crop)
    out = photo.copy()
    blend_crop(out, fill, MASK, matrix)
    assert (out != photo).any()
    assert np.ptp(out.astype(int), axis=2).max() == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 700), st.integers(2, 700), st.integers(0, 255), st.integers(0, 255))
def test_grain_of_any_size_tiles(height, width, x, y):
    image = np.full((height, width, 3), 128, np.uint8)
    opaque = np.ones((height, width), np.float32)
    strengths = np.full((3, BANDS), 3, np.float32)
    out = add_grain(image, opaque, strengths, (x, y))
    part = add_grain(image[1:, 1:], opaque[1:, 1:], strengths, (x + 1, y + 1))
    np.testing.assert_array_equal(out[1:, 1:], part)


def test_frames_share_what_was_measured_in_one_of_them():
    photo, matrix = noisy(6.0, 0.0), crop_matrix(eyes(90))
    crop = warp_crop(np.rint(skin()).astype(np.uint8), matrix)
    texture = Texture()
    first, again, plain = photo.copy(), photo.copy(), photo.copy()
    blend_crop(first, crop, MASK, matrix, texture)
    assert texture.gain is not None
    assert texture.grain is not None
    assert texture.grain.any()
    blend_crop(again, crop, MASK, matrix, texture)
    np.testing.assert_array_equal(again, first)
    # What is given is not measured.
    blend_crop(plain, crop, MASK, matrix, Texture(0.0, np.zeros_like(texture.grain)))
    fill = regions(matrix)[0]
    assert (spectrum(plain, fill) < 0.3 * spectrum(first, fill)).all()
