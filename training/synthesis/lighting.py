"""How a face in an image is lit, what color the light has, and how noisy the image is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .mesh import SKIN, mean_face


@dataclass(frozen=True)
class Light:
    """How the face is lit: mean level, and its change across mean-face units."""

    level: float
    across: float
    down: float
    skin: Float64Array  # mean skin colour, 0..1 RGB


def measure_light(image: UInt8Array, landmarks: Float64Array) -> Light:
    points = landmarks[list(SKIN)]
    height, width = image.shape[:2]
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    x = np.clip(points[:, 0].round().astype(int), 0, width - 1)
    y = np.clip(points[:, 1].round().astype(int), 0, height - 1)
    small = cv2.blur(image, (5, 5))
    colours = small[y, x].astype(np.float64)[inside if inside.sum() >= 6 else slice(None)] / 255
    luma = colours @ [0.299, 0.587, 0.114]
    where = (mean_face()[list(SKIN)] - [128.0, 150.0]) / 70.0
    where = where[inside if inside.sum() >= 6 else slice(None)]
    # A plane through log brightness; damped, since a cheek's blush or a beard is not light.
    terms = np.c_[np.ones(len(where)), where]
    plane = np.linalg.solve(terms.T @ terms + np.diag([0, 1.0, 2.0]), terms.T @ np.log(luma + 0.03))
    bright = float(np.percentile(small[::4, ::4].max(-1), 90)) / 255
    level = 0.25 + 0.45 * min(1.0, float(np.exp(plane[0])) * 1.6) + 0.45 * bright
    across, down = np.clip(plane[1:], -0.6, 0.6)
    return Light(level, float(across), float(down), np.median(colours, 0))


def image_tint(skin: Float64Array) -> Float32Array:
    """Colour cast of the light, guessed from how far skin is from a usual skin tone; mean 1."""
    usual = np.array([0.66, 0.51, 0.43])
    cast = (skin / max(float(skin.mean()), 1e-3)) / (usual / usual.mean())
    cast = np.clip(cast, 0.6, 1.6) ** 0.5
    return (cast / cast.mean()).astype(np.float32)


def noise_level(image: UInt8Array, box: tuple[int, int, int, int]) -> float:
    """Standard deviation of the picture's own noise (median of its finest detail)."""
    x0, y0, x1, y1 = box
    grey = image[y0:y1, x0:x1, 1].astype(np.float32)
    if grey.shape[0] < 8 or grey.shape[1] < 8:
        return 0.0
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    return float(min(6.0, np.median(np.abs(detail)) * 1.1))
