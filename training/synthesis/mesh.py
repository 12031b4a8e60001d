"""The 468-point face mesh: where its points are, and a smooth map between it and a mean face.

Mesh points are MediaPipe's (Face Mesh topology). Mask designs are drawn on the mean face, in units
of the canonical 256 crop (eyes at (98, 112) and (158, 112), chin near (128, 218)), and carried to
a picture by a cubic fitted to that face's mesh, so they follow its pose and expression.
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
LEFT_EYE = (33, 133)  # corners of the eye on the picture's left
RIGHT_EYE = (362, 263)
NOSE_TIP = 4
EARS = (234, 454)  # before the ear on the picture's left, and on its right
MOUTH_LEFT, MOUTH_RIGHT = 61, 291
# Cheeks, forehead, chin and nose: bare skin on almost every unmasked face.
SKIN = (10, 151, 9, 67, 297, 50, 280, 117, 346, 205, 425, 4, 195, 101, 330, 187, 411, 199, 152)


# Where the mean face is centred and how large it is: the cubic is fitted in about -1..1.
_CENTRE = np.array([128.0, 150.0])
_SCALE = 70.0
_RIDGE = 1e-3


@lru_cache(maxsize=1)
def mean_face() -> Float64Array:
    """`[468, 2]` float64: the mean of frontal training faces in canonical-crop pixels."""
    file = resources.files("unmask_sdk.training") / "data" / "mean_face.npy"
    with resources.as_file(file) as path:
        points = np.load(path, allow_pickle=False).astype(np.float64)
    points.flags.writeable = False
    return points


def check_landmarks(landmarks: npt.ArrayLike) -> Float64Array:
    """Gives landmarks as finite float64 `[468, 2]`, or raises `DataError`."""
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (POINTS, 2) or not np.isfinite(points).all():
        raise DataError(
            f"landmarks must be {POINTS} finite (x, y) mesh points, shape ({POINTS}, 2); "
            f"got shape {points.shape}"
        )
    return points


def eye_centers(landmarks: Points) -> Points:
    """`[2, 2]`: the centres of the picture-left and picture-right eye."""
    return np.stack([landmarks[list(LEFT_EYE)].mean(0), landmarks[list(RIGHT_EYE)].mean(0)])


def ear_axis(landmarks: Float64Array) -> Float64Array:
    """`[2]`: the direction from the ear on the picture's left to the other, of length 1."""
    left, right = landmarks[list(EARS)]
    return np.asarray((right - left) / max(float(np.linalg.norm(right - left)), 1e-6))


def yaw_ratio(landmarks: Float64Array) -> float:
    """How far a head is turned: 0 faces the camera, -1 and 1 show one cheek alone.

    Positive where the nose points to the picture's right.
    """
    left, right = landmarks[list(EARS)]
    axis = ear_axis(landmarks)
    to_left = (landmarks[NOSE_TIP] - left) @ axis
    to_right = (right - landmarks[NOSE_TIP]) @ axis
    cheeks = max(abs(to_left) + abs(to_right), 1e-6)
    return float(np.clip((to_left - to_right) / cheeks, -1, 1))


def five_points(landmarks: Points) -> Points:
    """`[5, 2]`: eye centres, nose tip, mouth corners (picture-left before picture-right)."""
    rest = landmarks[[NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT]]
    return np.concatenate([eye_centers(landmarks), rest])


def _terms(x: Float64Array, y: Float64Array) -> Float64Array:
    """The ten terms of a cubic in two variables, last axis."""
    return np.stack(
        [np.ones_like(x), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], -1
    )


def _fit(source: Float64Array, target: Float64Array) -> Float64Array:
    terms = _terms(source[:, 0], source[:, 1])
    # The ridge leaves constant and linear terms free and keeps the curved ones small.
    penalty = np.diag([0.0, 0, 0, *[_RIDGE * len(source)] * 7])
    return np.linalg.solve(terms.T @ terms + penalty, terms.T @ target)


class FaceMap:
    """A smooth two-way map between mean-face units and one picture's pixels.

    Args:
        landmarks: `[468, 2]` mesh points in pixels.
    """

    def __init__(self, landmarks: Float64Array) -> None:
        mean = (mean_face() - _CENTRE) / _SCALE
        self._origin = landmarks.mean(0)
        self._unit = float(np.sqrt(landmarks.var(0).sum() / mean.var(0).sum()))
        face = (landmarks - self._origin) / self._unit
        # Far points that follow the plain affine fit hold the cubic still outside the mesh.
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

    def to_picture(self, points: npt.ArrayLike) -> Float64Array:
        """Carries `[..., 2]` mean-face points to picture pixels."""
        p = (np.asarray(points, dtype=np.float64) - _CENTRE) / _SCALE
        return _terms(p[..., 0], p[..., 1]) @ self._forward * self._unit + self._origin

    def to_face(self, points: npt.ArrayLike) -> Float64Array:
        """Carries `[..., 2]` picture pixels to mean-face units."""
        p = (np.asarray(points, dtype=np.float64) - self._origin) / self._unit
        return _terms(p[..., 0], p[..., 1]) @ self._backward * _SCALE + _CENTRE

    def face_grid(self, x0: int, y0: int, x1: int, y1: int) -> tuple[Float64Array, Float64Array]:
        """Mean-face coordinates of every pixel of a rectangle: two `[y1 - y0, x1 - x0]` arrays."""
        # Each term is (power of x) times (power of y): eight outer products instead of a full
        # matrix of ten terms a pixel.
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
            fields.append(powers @ by_power * _SCALE + _CENTRE[k])
        return fields[0], fields[1]
