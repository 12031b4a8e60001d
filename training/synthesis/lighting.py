"""How a face in an image is lit, what color the light has, and how noisy the image is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .mesh import SKIN, ear_axis, mean_face

JAW = (172, 397, 150, 379)  # its corners, and next to the chin


@dataclass(frozen=True)
class Light:
    """How a face is lit.

    Attributes:
        level: Mean brightness of the light, about 0.25..1.2.
        across: Change of log brightness to the image's right, per 70 mean-face units.
        down: The same downwards.
        skin: Median skin color, `[3]` RGB in 0..1.
    """

    level: float
    across: float
    down: float
    skin: Float64Array


def measure_light(image: UInt8Array, landmarks: Float64Array) -> Light:
    """Measures the light on the bare skin of a face.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` mesh points in pixels.
    """
    points = landmarks[list(SKIN)]
    height, width = image.shape[:2]
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    x = np.clip(points[:, 0].round().astype(int), 0, width - 1)
    y = np.clip(points[:, 1].round().astype(int), 0, height - 1)
    blurred = cv2.blur(image, (5, 5))
    colors = blurred[y, x].astype(np.float64)[inside if inside.sum() >= 6 else slice(None)] / 255
    luma = colors @ [0.299, 0.587, 0.114]
    where = (mean_face()[list(SKIN)] - [128.0, 150.0]) / 70.0
    where = where[inside if inside.sum() >= 6 else slice(None)]
    # A plane through log brightness, regularized because a blush or a beard is not light.
    terms = np.c_[np.ones(len(where)), where]
    plane = np.linalg.solve(terms.T @ terms + np.diag([0, 1.0, 2.0]), terms.T @ np.log(luma + 0.03))
    bright = float(np.percentile(blurred[::4, ::4].max(-1), 90)) / 255
    level = 0.25 + 0.45 * min(1.0, float(np.exp(plane[0])) * 1.6) + 0.45 * bright
    across, down = np.clip(plane[1:], -0.6, 0.6)
    return Light(level, float(across), float(down), np.median(colors, 0))


def image_tint(skin: Float64Array) -> Float32Array:
    """Returns the color cast of the light, `[3]` RGB with mean 1.

    It is estimated from the difference between the skin color and a usual skin tone.
    """
    usual = np.array([0.66, 0.51, 0.43])
    cast = (skin / max(float(skin.mean()), 1e-3)) / (usual / usual.mean())
    cast = np.clip(cast, 0.6, 1.6) ** 0.5
    tint: Float32Array = (cast / cast.mean()).astype(np.float32)
    return tint


def noise_level(image: UInt8Array, box: tuple[int, int, int, int]) -> float:
    """Returns the standard deviation of the image's noise in a box (x0, y0, x1, y1).

    It is estimated from the median of the finest detail, 0..6 on the 0..255 scale.
    """
    x0, y0, x1, y1 = box
    gray = image[y0:y1, x0:x1, 1].astype(np.float32)
    if gray.shape[0] < 8 or gray.shape[1] < 8:
        return 0.0
    detail = gray - cv2.GaussianBlur(gray, (0, 0), 1.0)
    return float(min(6.0, np.median(np.abs(detail)) * 1.1))


def shadow_reach(
    landmarks: Float64Array, box: tuple[int, int, int, int], pixels_per_unit: float
) -> Float32Array:
    """Returns where a mask's shadow can fall, `[h, w]` in 0..1: on face and neck, not behind them.

    Args:
        landmarks: `[468, 2]` mesh points in pixels.
        box: x0, y0, x1, y1 in pixels.
        pixels_per_unit: Pixels per mean-face unit.
    """
    x0, y0, x1, y1 = box
    across = ear_axis(landmarks)
    down = np.array([-across[1], across[0]]) * 60 * pixels_per_unit
    jaw = landmarks[list(JAW)]
    throat = jaw.mean(0) + (jaw - jaw.mean(0)) * 0.7
    reach = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for points in (landmarks, np.concatenate([throat, throat + down])):
        hull = cv2.convexHull((points - [x0, y0]).astype(np.float32))
        cv2.fillConvexPoly(reach, hull.round().astype(np.int32), 255)
    soft = cv2.GaussianBlur(reach, (0, 0), max(0.6, 1.5 * pixels_per_unit))
    share: Float32Array = np.asarray(soft, np.float32) / np.float32(255)
    return share
