"""Fills are blended into photos as the Python package does it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmask_sdk.compositing import grain, noise_sheet, skin
from unmask_sdk.compositing.blend import blend_coverage, blend_crop, blend_opacity
from unmask_sdk.compositing.grayscale import grayscale_fill, is_grayscale
from unmask_sdk.faces.align import crop_matrix, warp_crop

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[3] / "examples"
EYES = np.array([[203.5, 102.2], [247.0, 104.6]])


def _mask(shape: str) -> np.ndarray:
    mask = np.zeros((256, 256), np.uint8)
    if shape == "mask":
        cv2.ellipse(mask, (128, 175), (55, 48), 0, 0, 360, 255, -1)
        cv2.GaussianBlur(mask, (5, 5), 0, dst=mask)
    elif shape == "scarf":
        mask[150:] = 255
    return mask


def _face(photo, scale, noise, rng):
    """Returns a photo at another size with noise, and the smooth fill of a network."""
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(photo, size, interpolation=method)
    image = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    matrix = crop_matrix((EYES + 0.5) * scale - 0.5)
    return image, cv2.GaussianBlur(warp_crop(image, matrix), (0, 0), 2.5), matrix


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7, 3.5, 6.0])
@pytest.mark.parametrize("noise", [0, 8])
@pytest.mark.parametrize("shape", ["mask", "scarf"])
def test_photos_are_the_same(call, astronaut, scale, noise, shape):
    photo, _ = astronaut
    image, crop, matrix = _face(photo, scale, noise, np.random.default_rng(0))
    _check_blending(call, image, crop, _mask(shape), matrix)


def _check_blending(call, image, crop, mask, matrix):
    expected = image.copy()
    blend_crop(expected, crop, mask, matrix)
    arguments = (image, crop, mask, matrix.ravel())
    blended = call.changed("compositing/blend.js", "blendCrop", *arguments)[0]
    filled = blend_coverage(image, [(crop, mask, matrix)]) > 0
    np.testing.assert_array_equal(blended[~filled], image[~filled])
    if not filled.any():
        return
    difference = blended[filled].astype(np.float64) - expected[filled]
    assert 10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)) >= 60


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["surgical", "cloth", "n95", "dark"]),
    size=st.floats(0.3, 2),
    noise=st.sampled_from([0, 3, 8, 15]),
    center=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    distance=st.floats(0.03, 0.5),
    roll=st.floats(-0.8, 0.8),
    shape=st.sampled_from(["mask", "scarf"]),
)
def test_any_face_in_a_photo(call, name, size, noise, center, distance, roll, shape):
    photo = cv2.imread(str(EXAMPLES / f"{name}.jpg"))[..., ::-1]
    image = cv2.resize(photo, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)
    image = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    middle = np.array(center) * image.shape[1::-1]
    half = np.array([np.cos(roll), np.sin(roll)]) * max(distance * image.shape[1], 6) / 2
    matrix = crop_matrix([middle - half, middle + half])
    crop = cv2.GaussianBlur(warp_crop(image, matrix), (0, 0), 1.5)
    _check_blending(call, image, crop, _mask(shape), matrix)


@pytest.mark.parametrize("where", [(-5000.0, 0.0), (-180.0, -60.0), (420.0, 380.0)])
def test_faces_beyond_the_photo(call, astronaut, where):
    image, _ = astronaut
    matrix = crop_matrix(EYES + where)
    crop = np.full((256, 256, 3), 90, np.uint8)
    expected = image.copy()
    blend_crop(expected, crop, _mask("mask"), matrix)
    arguments = (image, crop, _mask("mask"), matrix.ravel())
    blended = call.changed("compositing/blend.js", "blendCrop", *arguments)[0]
    assert np.abs(blended.astype(int) - expected).max() <= 1


def test_an_empty_mask_changes_nothing(call, astronaut):
    image, _ = astronaut
    crop = np.zeros((256, 256, 3), np.uint8)
    arguments = (image, crop, _mask("none"), crop_matrix(EYES).ravel())
    blended = call.changed("compositing/blend.js", "blendCrop", *arguments)
    np.testing.assert_array_equal(blended[0], image)
    assert blended[-1] is None


@pytest.mark.parametrize("shape", ["none", "mask", "scarf"])
def test_opacity_is_the_same(call, shape):
    opacity = call("compositing/blend.js", "blendOpacity", _mask(shape))
    np.testing.assert_allclose(opacity, blend_opacity(_mask(shape)), atol=1e-6)


def test_the_noise_sheet_is_the_same(call):
    for band in range(noise_sheet.BANDS):
        white = call("compositing/noise_sheet.js", "whiteNoise", band)
        shape = (noise_sheet.BANDS, noise_sheet.SHEET, noise_sheet.SHEET, 3)
        np.testing.assert_array_equal(white, noise_sheet.white_noise(shape)[band].ravel())
    sheets = call("compositing/noise_sheet.js", "noiseSheets")
    expected = noise_sheet.noise_sheets().reshape(3, noise_sheet.BANDS, -1)
    np.testing.assert_allclose(np.array(sheets), expected, atol=1e-4)


@pytest.mark.parametrize(("scale", "noise"), [(0.6, 6), (1.0, 6), (1.7, 3), (3.5, 10)])
def test_missing_grain_is_the_same(call, astronaut, scale, noise):
    photo, _ = astronaut
    image, crop, _ = _face(photo, scale, noise, np.random.default_rng(1))
    measured = grain.GrainScale.of_face(256 * 43.6 / 60 * scale)
    assert (
        call("compositing/grain.js", "scaleOfFace", 256 * 43.6 / 60 * scale) == measured._asdict()
    )
    part = image[:160, :160]
    kept = skin.full_blocks(np.ones(part.shape[:2], bool), measured.block)
    fill = crop[:128, :128]
    filled = skin.full_blocks(np.ones(fill.shape[:2], bool), measured.block)
    expected = grain.missing_grain(grain.VisiblePart(part, kept, kept), fill, filled, measured)
    assert expected.any()
    blocks = kept.view(np.uint8)
    visible = {"pixels": np.ascontiguousarray(part), "kept": blocks, "skin": blocks}
    arguments = (visible, np.ascontiguousarray(fill), filled.view(np.uint8), measured._asdict())
    strengths = call("compositing/grain.js", "missingGrain", *arguments)
    np.testing.assert_allclose(strengths.reshape(expected.shape), expected, rtol=1e-3, atol=1e-3)


def test_grain_begins_at_the_same_place(call, astronaut):
    image, _ = astronaut
    crop = warp_crop(image, crop_matrix(EYES))
    assert tuple(call("compositing/grain.js", "grainOffset", crop)) == grain.grain_offset(crop)


def test_black_and_white(call, astronaut):
    image, _ = astronaut
    gray = np.repeat(image[:256, :256, :1], 3, 2)
    dotted, titled, tinted = (gray.copy() for _ in range(3))
    dotted[120:130, 120:130] = (10, 30, 10)
    titled[:40] = (200, 30, 40)
    tinted[..., 0] //= 2
    cases = {"gray": gray, "dotted": dotted, "titled": titled}
    for name, crop in {**cases, "tinted": tinted, "color": image[:256, 128:384]}.items():
        crop = np.ascontiguousarray(crop)
        expected = is_grayscale(crop)
        assert call("compositing/grayscale.js", "isGrayscale", crop) == expected
        assert expected == (name in cases)
    mask = _mask("mask")
    fill = np.ascontiguousarray(image[:256, 128:384])
    found = call("compositing/grayscale.js", "grayscaleFill", gray, fill, mask)
    # NumPy adds the three products in an order of its own, which decides ties.
    difference = np.abs(found.astype(int) - grayscale_fill(gray, fill, mask))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4
