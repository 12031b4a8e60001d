"""The motion of a face between two crops, against known motions and against the Python package."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.faces.align import crop_matrix, transform_points, warp_crop
from unmask_sdk.video.eye_smoothing import SIDE, crop_motion
from web_calls import Flat

pytestmark = pytest.mark.browser

# In the crop, and in the photo.
EYES = np.array([[49.0, 56.0], [79.0, 56.0]])
EYES_IN_PHOTO = np.array([[203.5, 102.2], [247.0, 104.6]])


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[0]


def _crop(image, matrix, rng, gain=1.0):
    gray = cv2.cvtColor(warp_crop(image, matrix, SIDE), cv2.COLOR_RGB2GRAY)
    return np.clip(gain * gray + rng.normal(0, 3, gray.shape), 0, 255).astype(np.uint8)


def _moved(rng):
    """Returns a similarity around the center of the face."""
    a, b = 1 + rng.normal(0, 0.02), rng.normal(0, 0.02)
    center = np.array([64.0, 72.0])
    motion = np.array([[a, -b, 0], [b, a, 0]])
    motion[:, 2] = center + rng.normal(0, 4, 2) - motion[:, :2] @ center
    return motion


def _motion(call, before, after):
    found = call("video/crop_motion.js", "cropMotion", Flat(before), Flat(after))
    return None if found is None else np.reshape(found, (2, 3))


def test_motion_is_measured_to_a_tenth_of_a_pixel(call, photo):
    """Also in noise, and in light that changes; no worse than the package for Python."""
    rng = np.random.default_rng(0)
    matrix = crop_matrix(EYES_IN_PHOTO, SIDE)
    errors, in_python = [], []
    for gain in np.linspace(0.95, 1.1, 20):
        motion = _moved(rng)
        before = _crop(photo, matrix, rng)
        moved_matrix = (np.vstack([motion, [0, 0, 1]]) @ np.vstack([matrix, [0, 0, 1]]))[:2]
        after = _crop(photo, moved_matrix, rng, gain)
        truth = transform_points(motion, EYES)
        found = _motion(call, before, after)
        assert found is not None
        errors.append(np.abs(transform_points(found, EYES) - truth).max())
        reference = crop_motion(before, after)
        if reference is not None:
            in_python.append(np.abs(transform_points(reference, EYES) - truth).max())
    assert max(errors) < 0.1
    assert np.median(errors) <= np.median(in_python)


def test_what_cannot_be_measured_gives_no_motion(call, photo):
    rng = np.random.default_rng(1)
    face = _crop(photo, crop_matrix(EYES_IN_PHOTO, SIDE), rng)
    plain = np.full_like(face, 127)
    elsewhere = rng.integers(0, 256, face.shape, np.uint8)
    for before, after in ((plain, plain), (face, plain), (face, elsewhere), (face, 255 - face)):
        assert _motion(call, before, after) is None


def test_a_still_face_does_not_move(call, photo):
    face = _crop(photo, crop_matrix(EYES_IN_PHOTO, SIDE), np.random.default_rng(2))
    np.testing.assert_allclose(_motion(call, face, face), [[1, 0, 0], [0, 1, 0]], atol=1e-6)
