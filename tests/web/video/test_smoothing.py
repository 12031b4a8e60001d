"""Smoothing over time, against the Python package on the same frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.video.eye_smoothing import LandmarkSmoother
from unmask_sdk.video.fill_smoothing import FillSmoother

pytestmark = pytest.mark.browser

SEQUENCES = "../tests/video/sequences.js"
RNG = np.random.default_rng(0)
EYES = np.array([[203.5, 102.2], [247.0, 104.6]])


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[0]


@pytest.mark.parametrize("window", [3, 5])
def test_maps_are_blurred_as_by_opencv(call, window):
    values = RNG.normal(size=64 * 64).astype(np.float32)
    blurred = call("video/cell_maps.js", "blurMap", values, 64, window)
    expected = cv2.blur(values.reshape(64, 64), (window, window))
    np.testing.assert_allclose(blurred.reshape(64, 64), expected, atol=1e-6)


def test_maps_are_dilated_and_enlarged_as_by_opencv(call):
    values = RNG.normal(size=64 * 64).astype(np.float32)
    wide = call("video/cell_maps.js", "dilateMap", values, 64, 11).reshape(64, 64)
    np.testing.assert_array_equal(wide, cv2.dilate(values.reshape(64, 64), np.ones((11, 11))))
    fine = call("video/cell_maps.js", "enlargeMap", values, 64, 256).reshape(256, 256)
    expected = cv2.resize(values.reshape(64, 64), (256, 256), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(fine, expected, atol=1e-5)


def test_fills_are_smoothed_as_in_python(call):
    """Noise is averaged, and a part that moves is not."""
    still = cv2.GaussianBlur(RNG.integers(0, 256, (256, 256, 3), np.uint8), (0, 0), 5)
    frames = []
    for step in range(6):
        original = np.clip(still + RNG.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
        original[40:100, 30 + 20 * step : 90 + 20 * step] = 250
        unmasked = np.clip(still + RNG.normal(0, 6, still.shape), 0, 255).astype(np.uint8)
        mask = np.zeros((256, 256), np.uint8)
        mask[120 + step : 220 + step, 60:200] = 255
        frames.append({"original": original, "unmasked": unmasked, "mask": mask})
    smoother = FillSmoother()
    for frame, found in zip(frames, call(SEQUENCES, "smoothFills", frames), strict=True):
        for name, expected in zip(("unmasked", "mask"), smoother.update(**frame), strict=True):
            difference = np.abs(found[name].astype(int) - expected)
            assert difference.max() <= 1
            assert (difference > 0).mean() < 1e-3


def test_eyes_of_a_moving_face_jitter_less_and_do_not_lag(call, photo):
    frames, truth = [], []
    for step in range(15):
        shift = np.array([1.5 * step, 0.7 * step])
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        image = cv2.warpAffine(photo, move, photo.shape[1::-1])
        image = np.clip(image + RNG.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
        truth.append(EYES + shift)
        frames.append({"image": image, "eyes": (truth[-1] + RNG.normal(0, 0.5, (2, 2))).tolist()})
    smooth = np.array(call(SEQUENCES, "smoothEyes", frames))
    raw = np.array([frame["eyes"] for frame in frames])
    jitter, raw_jitter = (np.diff(x - truth, axis=0).std() for x in (smooth, raw))
    assert jitter < raw_jitter / 4
    smoother = LandmarkSmoother()
    in_python = np.array([smoother.update(f["image"], np.array(f["eyes"])) for f in frames])
    np.testing.assert_allclose(smooth, in_python, atol=0.5)
