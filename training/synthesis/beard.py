"""A score of how much the lower face looks bearded: darker, grayer and rougher than the cheeks.

A segmenter that sees few bare bearded faces takes a beard for a mask. This estimate is only good
enough to show it more of them: a shadow under the chin counts too.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.faces.align import crop_matrix, transform_points, warp_crop

from .mesh import eye_centers

CHIN = (152, 175, 199, 200, 148, 377, 171, 396, 140, 369, 150, 379, 169, 394, 135, 364)
CHEEKS = (50, 280, 205, 425, 117, 346, 101, 330, 36, 266)
SIDE = 128
# Of 1,200 faces of LFW, UTKFace and sharp portraits, 7 % are above; by eye, about three quarters of
# these have a beard, stubble or a moustache.
THRESHOLD = 3.7


def beard_score(image: UInt8Array, landmarks: Float64Array) -> float:
    """Returns how much the lower face differs from the cheeks as a beard does, about -2 to 10.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` mesh points in pixels.
    """
    matrix = crop_matrix(eye_centers(landmarks), SIDE)
    crop = warp_crop(image, matrix, SIDE).astype(np.float32) / 255
    points = np.clip(transform_points(matrix, landmarks).round().astype(int), 0, SIDE - 1)
    color = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2LAB), np.float32)
    light = color[..., 0]
    texture = cv2.GaussianBlur(np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.5)), (0, 0), 2)
    color = np.asarray(cv2.GaussianBlur(color, (0, 0), 1.5), np.float32)
    planes = (color[..., 0], np.hypot(color[..., 1], color[..., 2]), np.asarray(texture))

    def median(plane: Float32Array, ids: tuple[int, ...]) -> float:
        x, y = points[list(ids)].T
        return float(np.median(plane[y, x]))

    darker, grayer = (median(plane, CHEEKS) - median(plane, CHIN) for plane in planes[:2])
    rougher = median(planes[2], CHIN) / (median(planes[2], CHEEKS) + 0.15)
    return darker / 15 + grayer / 8 + min(max(rougher - 1, 0.0), 2.0) / 3
