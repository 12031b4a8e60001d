"""Temporal smoothing of the eye points, without lag.

The locator's eye points jitter from frame to frame, and a jittering crop makes a flickering fill.
A filter of the points alone (One-Euro, Kalman) either lags, or lets the jitter through as soon as
the head moves. Here the motion of the face is measured in the image: optical flow between two
crops is exact to a tenth of a pixel. The points are moved by that motion, and corrected towards the
locator's points only by a small fraction each frame. So the crop follows a moving head without
delay, and the locator's noise is averaged out.

On the clip of `benchmarks/moving_faces.py` (6 s of it, measured by `benchmarks/flicker.py`), in
pixels of a 720p frame: the raw points jitter by 0.21 per frame, the smoothed ones by 0.04, and
their error is no larger when the face is fast (0.67 against 0.73).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.faces.align import crop_matrix, transform_points, warp_crop

# Flow is measured in crops of this side.
SIDE = 128
# The part of the crop that is face (including a mask) and not background: center and half axes.
_CENTER, _AXES = (64, 72), (36, 50)
_CORNERS: dict[str, Any] = {"maxCorners": 80, "qualityLevel": 0.01, "minDistance": 5}
_FLOW: dict[str, Any] = {"winSize": (15, 15), "maxLevel": 2}
# The motion is valid if at least this many points, and this fraction of them, agree within a pixel.
_MIN_POINTS, _MIN_SHARE = 10, 0.5
# Least correlation of a face's crop with its last one. Of 40 photos of masked people, two pairs of
# 780 come above 0.85 and none above 0.86; one face in half the light is at 0.99.
_SAME_FACE = 0.9
# Fraction by which the points are corrected towards the locator's points, each frame.
CORRECTION = 0.1
# If the two differ by more than `_FAR` eye distances, the locator's points are used; between
# `_NEAR` and `_FAR` the fraction increases.
_NEAR, _FAR = 0.05, 0.15


class LandmarkSmoother:
    """Smooths the eye points of one face over the frames."""

    def __init__(self) -> None:
        self._eyes: Float64Array | None = None
        self._seen: tuple[UInt8Array, Float64Array] | None = None

    def update(self, image: UInt8Array, eyes: Float64Array) -> Float64Array:
        """Adds the next frame.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            eyes: `[2, 2]`, (x, y) in pixels, from the locator.

        Returns:
            float64 `[2, 2]`, the smoothed eye points, for `crop_matrix`.
        """
        crop, matrix = _gray_crop(image, eyes)
        moved = None
        if self._seen is not None and self._eyes is not None:
            before, old = self._seen
            motion = crop_motion(before, crop)
            if motion is not None:
                in_crop = transform_points(motion, transform_points(old, self._eyes))
                moved = transform_points(cv2.invertAffineTransform(matrix), in_crop)
        self._seen = crop, matrix
        smooth: Float64Array = eyes.copy() if moved is None else moved + _correction(moved, eyes)
        self._eyes = smooth
        return np.array(smooth)

    def recognizes(self, image: UInt8Array, eyes: Float64Array) -> bool:
        """Returns whether a face shows what this one showed last, in whatever light.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            eyes: `[2, 2]`, (x, y) in pixels, from the locator.
        """
        if self._seen is None:
            return False
        crops = np.stack([self._seen[0], _gray_crop(image, eyes)[0]])
        pixels = crops[:, _face_ellipse() > 0].astype(np.float64)
        pixels -= pixels.mean(1, keepdims=True)
        product = np.prod(np.linalg.norm(pixels, axis=1))
        return bool(pixels[0] @ pixels[1] >= _SAME_FACE * product > 0)


def _face_ellipse() -> UInt8Array:
    """Returns uint8 `[128, 128]`, 255 where the crop is face."""
    face = np.zeros((SIDE, SIDE), np.uint8)
    return np.asarray(cv2.ellipse(face, _CENTER, _AXES, 0, 0, 360, 255, -1), np.uint8)


def _gray_crop(image: UInt8Array, eyes: Float64Array) -> tuple[UInt8Array, Float64Array]:
    """Returns the uint8 `[128, 128]` gray crop of a face, and its matrix."""
    matrix = crop_matrix(eyes, SIDE)
    crop = cv2.cvtColor(warp_crop(image, matrix, SIDE), cv2.COLOR_RGB2GRAY)
    return np.asarray(crop, np.uint8), matrix


def crop_motion(before: UInt8Array, after: UInt8Array) -> Float64Array | None:
    """Measures how a face moved between two crops.

    Args:
        before: uint8 `[128, 128]` gray crop of a frame.
        after: The same of the next frame.

    Returns:
        `[2, 3]` similarity transform from `before` to `after`; `None` if it cannot be measured.
    """
    start = cv2.goodFeaturesToTrack(before, mask=_face_ellipse(), **_CORNERS)
    if start is None or len(start) < _MIN_POINTS:
        return None
    end, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **_FLOW)  # type: ignore[call-overload]
    kept = found.ravel() == 1
    if kept.sum() < _MIN_POINTS:
        return None
    motion, agree = cv2.estimateAffinePartial2D(
        start[kept], end[kept], method=cv2.RANSAC, ransacReprojThreshold=1.0
    )
    if motion is None or agree.sum() < max(_MIN_POINTS, _MIN_SHARE * len(start)):
        return None
    return np.asarray(motion, np.float64)


def _correction(moved: Float64Array, located: Float64Array) -> Float64Array:
    """Returns the step from the moved points towards the locator's points."""
    difference = located - moved
    distance = float(np.linalg.norm(located[1] - located[0]))
    far = float(np.linalg.norm(difference, axis=1).max()) / distance
    share = CORRECTION + (1 - CORRECTION) * float(np.clip((far - _NEAR) / (_FAR - _NEAR), 0, 1))
    return np.asarray(share * difference)
