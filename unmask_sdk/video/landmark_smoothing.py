"""Holds the crop of a moving face still, without lag.

The locator's eye points tremble from frame to frame, and a trembling crop makes a flickering
fill. A filter of the points alone (One-Euro, Kalman) buys calm with lag, or lets the trembling
through as soon as the head moves. Here the picture itself says how the face moved: optical flow
between two crops is exact to a tenth of a pixel. The points are carried along by that motion, and
drawn towards where the locator sees them only by a small share each frame. So the crop follows a
moving head at once, and forgets the locator's noise.

On the clip of `benchmarks/moving_faces.py` (6 s of it, measured by `benchmarks/flicker.py`), in
pixels of a 720p frame: the raw points tremble by 0.21 a frame, these by 0.04, and lie no further
off when the face is fast (0.67 against 0.73).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.faces.align import crop_matrix, transform_points, warp_crop

# Flow is measured in crops of this side.
SIDE = 128
# The part of the crop that is face, mask included, and not background: centre and half axes.
_CENTRE, _AXES = (64, 72), (36, 50)
_CORNERS: dict[str, Any] = {"maxCorners": 80, "qualityLevel": 0.01, "minDistance": 5}
_FLOW: dict[str, Any] = {"winSize": (15, 15), "maxLevel": 2}
# The motion counts as measured if so many points, and this share of them, agree on it within a
# pixel.
_MIN_POINTS, _MIN_SHARE = 10, 0.5
# How far the points are drawn to where the locator sees them, each frame.
CORRECTION = 0.1
# Beyond this many eye distances between the two, the locator is followed at once; from the first
# to the second ever more.
_NEAR, _FAR = 0.05, 0.15


class LandmarkSmoother:
    """The eye points of one face, from frame to frame."""

    def __init__(self) -> None:
        self._eyes: Float64Array | None = None
        self._seen: tuple[UInt8Array, Float64Array] | None = None

    def update(self, image: UInt8Array, eyes: Float64Array) -> Float64Array:
        """Takes the next frame.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            eyes: `[2, 2]`, (x, y) in pixels, as the locator sees them.

        Returns:
            float64 `[2, 2]`, the eye points to crop by.
        """
        matrix = crop_matrix(eyes, SIDE)
        colours = warp_crop(image, matrix, SIDE)
        crop = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
        carried = None
        if self._seen is not None and self._eyes is not None:
            before, old = self._seen
            motion = crop_motion(before, crop)
            if motion is not None:
                there = transform_points(motion, transform_points(old, self._eyes))
                carried = transform_points(cv2.invertAffineTransform(matrix), there)
        self._seen = crop, matrix
        steady: Float64Array = eyes.copy() if carried is None else carried + _pull(carried, eyes)
        self._eyes = steady
        return np.array(steady)


def crop_motion(before: UInt8Array, after: UInt8Array) -> Float64Array | None:
    """Measures how a face moved between two crops.

    Args:
        before: uint8 `[128, 128]` grey crop of a frame.
        after: The same of the next.

    Returns:
        `[2, 3]` similarity from the one to the other; None if it cannot be told.
    """
    face = np.zeros_like(before)
    cv2.ellipse(face, _CENTRE, _AXES, 0, 0, 360, 255, -1)
    start = cv2.goodFeaturesToTrack(before, mask=face, **_CORNERS)
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


def _pull(carried: Float64Array, seen: Float64Array) -> Float64Array:
    off = seen - carried
    distance = float(np.linalg.norm(seen[1] - seen[0]))
    far = float(np.linalg.norm(off, axis=1).max()) / distance
    share = CORRECTION + (1 - CORRECTION) * float(np.clip((far - _NEAR) / (_FAR - _NEAR), 0, 1))
    return np.asarray(share * off)
