"""The face mesh of 468 points, and a smooth map between a face and the mean face.

Mesh points are MediaPipe's (Face Mesh topology). Masks are drawn on the mean face, in units of the
canonical 256 px crop (eyes at (98, 112) and (158, 112), chin near (128, 218)), and mapped to an
image by a cubic polynomial fitted to that face's mesh, so they follow its pose and expression.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float32Array, Float64Array
from unmask_sdk.errors import DataError

# Mesh points of either precision.
Points = TypeVar("Points", Float32Array, Float64Array)

POINTS = 468
LEFT_EYE = (33, 133)  # corners of the eye on the image's left
RIGHT_EYE = (362, 263)
NOSE_TIP = 4
EARS = (234, 454)  # in front of the ear on the image's left, and on its right
MOUTH_LEFT, MOUTH_RIGHT = 61, 291
# Cheeks, forehead, chin and nose: bare skin on almost every unmasked face.
SKIN = (10, 151, 9, 67, 297, 50, 280, 117, 346, 205, 425, 4, 195, 101, 330, 187, 411, 199, 152)


# Center and size of the mean face: the cubic is fitted in about -1..1.
_CENTER = np.array([128.0, 150.0])
_SCALE = 70.0
_RIDGE = 1e-3


@lru_cache(maxsize=1)
def mean_face() -> Float64Array:
    """Returns the mean of frontal training faces, `[468, 2]` in pixels of the 256 px crop."""
    file = resources.files("unmask_sdk.training") / "data" / "mean_face.npy"
    with resources.as_file(file) as path:
        points: Float64Array = np.load(path, allow_pickle=False).astype(np.float64)
    points.flags.writeable = False
    return points


def check_landmarks(landmarks: npt.ArrayLike) -> Float64Array:
    """Converts landmarks to float64 `[468, 2]`.

    Raises:
        DataError: If they have another shape, or are not finite.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (POINTS, 2) or not np.isfinite(points).all():
        raise DataError(
            f"landmarks must be {POINTS} finite (x, y) mesh points, shape ({POINTS}, 2); "
            f"got shape {points.shape}"
        )
    return points


def eye_centers(landmarks: Points) -> Points:
    """Returns the centers (x, y) of the image-left and the image-right eye, `[2, 2]`."""
    return np.stack([landmarks[list(LEFT_EYE)].mean(0), landmarks[list(RIGHT_EYE)].mean(0)])


def ear_axis(landmarks: Float64Array) -> Float64Array:
    """Returns the unit vector `[2]` from the ear on the image's left to the other ear."""
    left, right = landmarks[list(EARS)]
    return np.asarray((right - left) / max(float(np.linalg.norm(right - left)), 1e-6))


def yaw_ratio(landmarks: Float64Array) -> float:
    """Returns the yaw of a head: 0 faces the camera, -1 and 1 show one cheek only.

    It is positive where the nose points to the image's right.
    """
    left, right = landmarks[list(EARS)]
    axis = ear_axis(landmarks)
    to_left = (landmarks[NOSE_TIP] - left) @ axis
    to_right = (right - landmarks[NOSE_TIP]) @ axis
    cheeks = max(abs(to_left) + abs(to_right), 1e-6)
    return float(np.clip((to_left - to_right) / cheeks, -1, 1))


def five_points(landmarks: Points) -> Points:
    """Returns eye centers, nose tip and mouth corners, `[5, 2]`, image-left before image-right."""
    rest = landmarks[[NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT]]
    return np.concatenate([eye_centers(landmarks), rest])


def _terms(x: Float64Array, y: Float64Array) -> Float64Array:
    """Returns the ten terms of a cubic in two variables, along the last axis."""
    return np.stack(
        [np.ones_like(x), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], -1
    )


def _fit(source: Float64Array, target: Float64Array) -> Float64Array:
    terms = _terms(source[:, 0], source[:, 1])
    # The ridge leaves constant and linear terms free and keeps the curved ones small.
    penalty = np.diag([0.0, 0, 0, *[_RIDGE * len(source)] * 7])
    return np.linalg.solve(terms.T @ terms + penalty, terms.T @ target)


class FaceMap:
    """A smooth two-way map between mean-face units and one image's pixels.

    Args:
        landmarks: `[468, 2]` mesh points in pixels.
    """

    def __init__(self, landmarks: Float64Array) -> None:
        mean = (mean_face() - _CENTER) / _SCALE
        self._origin = landmarks.mean(0)
        self._unit = float(np.sqrt(landmarks.var(0).sum() / mean.var(0).sum()))
        face = (landmarks - self._origin) / self._unit
        # Far points that follow the affine fit keep the cubic stable outside the mesh.
        affine, *_ = np.linalg.lstsq(np.c_[mean, np.ones(len(mean))], face, rcond=None)
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], -1)
        far = np.concatenate([ring * 1.9, ring * 2.4])
        far_face = np.c_[far, np.ones(len(far))] @ affine
        source = np.concatenate([mean, far])
        target = np.concatenate([face, far_face])
        self._forward = _fit(source, target)
        self._backward = _fit(target, source)
        self.pixels_per_unit = self._unit / _SCALE

    def to_image(self, points: npt.ArrayLike) -> Float64Array:
        """Maps mean-face points `[..., 2]` to image pixels."""
        p = (np.asarray(points, dtype=np.float64) - _CENTER) / _SCALE
        points_in_image: Float64Array = (
            _terms(p[..., 0], p[..., 1]) @ self._forward * self._unit + self._origin
        )
        return points_in_image

    def to_face(self, points: npt.ArrayLike) -> Float64Array:
        """Maps image pixels `[..., 2]` to mean-face units."""
        p = (np.asarray(points, dtype=np.float64) - self._origin) / self._unit
        points_on_face: Float64Array = (
            _terms(p[..., 0], p[..., 1]) @ self._backward * _SCALE + _CENTER
        )
        return points_on_face

    def face_grid(self, x0: int, y0: int, x1: int, y1: int) -> tuple[Float64Array, Float64Array]:
        """Returns the mean-face x and y of every pixel of a rectangle, `[y1 - y0, x1 - x0]` each.

        Args:
            x0: Left edge in pixels, inclusive.
            y0: Upper edge, inclusive.
            x1: Right edge, exclusive.
            y1: Lower edge, exclusive.
        """
        # Each term is a power of x times a power of y: eight outer products instead of a matrix of
        # ten terms for each pixel.
        x = (np.arange(x0, x1) - self._origin[0]) / self._unit
        y = (np.arange(y0, y1) - self._origin[1]) / self._unit
        c = self._backward
        ones = np.ones_like(x)
        fields = []
        for k in range(2):
            by_power = np.stack(
                [
                    c[0, k] + c[1, k] * x + c[3, k] * x * x + c[6, k] * x**3,
                    c[2, k] + c[4, k] * x + c[7, k] * x * x,
                    c[5, k] + c[8, k] * x,
                    c[9, k] * ones,
                ]
            )
            powers = np.stack([np.ones_like(y), y, y * y, y**3], -1)
            fields.append(powers @ by_power * _SCALE + _CENTER[k])
        return fields[0], fields[1]
