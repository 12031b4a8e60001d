"""Finds hair that hangs before the sides of a face, to leave it in front of a mask.

Without it every synthetic mask lies over the hair, and the edge of a real one, with strands across
it, is new to the network. The estimate is rough: it compares each pixel with the face's skin and
with the hair next to it. That is enough, because the coverage that it leaves is exact all the same.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .mask_shapes import MIDDLE
from .mesh import FaceMap

CHEEKS = (50, 280, 205, 425, 117, 346, 101, 330)
# Where hair is looked for, in mean-face units: the distance from the middle of the face, and y.
SIDES = (44.0, 62.0)
HEIGHTS = (118.0, 235.0)
# Where it is known to be: above the forehead; and where it hangs, if it is long.
CROWN = np.stack(np.meshgrid(np.linspace(-26, 26, 9), np.linspace(42, 58, 5)), -1).reshape(-1, 2)
AROUND = np.stack(np.meshgrid(np.linspace(70, 84, 5), np.linspace(112, 185, 12)), -1)
# Distances in Lab, about 0..255 each: least contrast of hair and skin, and largest difference of
# the hair around the face from that on the head.
MIN_CONTRAST = 55.0
MAX_DIFFERENCE = 40.0


def hair_cover(
    image: UInt8Array,
    landmarks: Float64Array,
    face: FaceMap,
    box: tuple[int, int, int, int],
    u: Float32Array,
    v: Float32Array,
) -> Float32Array:
    """Returns how much hair covers each pixel of a box at the sides of the face, `[h, w]` in 0..1.

    It is 0 on the sides where hair is short, or has the color of the skin.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` mesh points in pixels.
        face: The map of these landmarks.
        box: x0, y0, x1, y1 in pixels.
        u: Mean-face x of every pixel of the box.
        v: Mean-face y of every pixel of the box.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box

    def colors(points: Float64Array) -> Float32Array:
        x, y = np.clip(points.round().astype(int), 0, [width - 1, height - 1]).T
        sampled = np.asarray(image[y, x][None], np.uint8)
        return np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGB2LAB)[0], np.float32)

    skin = np.median(colors(landmarks[list(CHEEKS)]), 0)
    crown = np.median(colors(face.to_image(CROWN + np.array([MIDDLE, 0]))), 0)
    lab = np.asarray(cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2LAB), np.float32)
    side = np.abs(u - MIDDLE)
    inside = np.clip((side - SIDES[0]) / (SIDES[1] - SIDES[0]), 0, 1)
    inside = inside * np.clip((v - HEIGHTS[0]) / 8, 0, 1) * np.clip((HEIGHTS[1] - v) / 8, 0, 1)
    cover = np.zeros(u.shape, np.float32)
    for sign in (-1, 1):
        own = colors(face.to_image(AROUND.reshape(-1, 2) * [sign, 1] + [MIDDLE, 0]))
        hair = np.median(own, 0)
        spread = float(np.median(np.linalg.norm(own - hair, axis=1)))
        contrast = float(np.linalg.norm(hair - skin))
        is_hair = contrast >= MIN_CONTRAST and spread <= 0.4 * contrast
        if not is_hair or np.linalg.norm(hair - crown) > MAX_DIFFERENCE:
            continue
        axis = (hair - skin) / contrast
        toward = (lab - skin) @ axis
        off = np.linalg.norm(lab - skin - toward[..., None] * axis, axis=-1)
        near = np.clip((toward / contrast - 0.35) / 0.4, 0, 1) * np.clip(2 - off / 22, 0, 1)
        cover = np.maximum(cover, near * inside * ((u - MIDDLE) * sign > 0))
    return cover.astype(np.float32)
