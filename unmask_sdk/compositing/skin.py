"""Finds the skin of a face, where noise is measured.

Hair, eyebrows, glasses and what is behind the face have texture that is not noise. Skin is what
lies in the outline of the face, away from eyes and mouth, and has the color of the bridge of the
nose and of the cheeks below the eyes, which masks and hair cover least.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from unmask_sdk.core.arrays import (
    AnyArray,
    BoolArray,
    Float32Array,
    Float64Array,
    Int64Array,
    UInt8Array,
)
from unmask_sdk.faces.align import CROP_SIZE

# In pixels of a crop of 256, from the mean face mesh: center x and y, and radii, of the outline of
# a face that may be turned by 30 degrees, and of what is not skin in it: eyes with eyebrows,
# nostrils, mouth.
OUTLINE = (128, 138, 52, 74)
FEATURES = ((95, 102, 25, 21), (161, 102, 25, 21), (128, 153, 20, 11), (128, 182, 30, 17))
# x0, y0, x1, y1: the bridge of the nose and the cheeks below the eyes. Their median is the color
# of the skin.
SKIN_PATCHES = ((117, 94, 139, 130), (82, 124, 114, 140), (142, 124, 174, 140))
# Values of the map of a face.
FACE, PATCH = 1, 2
# Skin may be this much darker and brighter than its median (a fraction), and its share of red,
# green and blue may differ by this much: shading changes the first, hair and background the second.
DARKEST, BRIGHTEST, MAX_HUE_DIFFERENCE = 0.6, 1.5, 0.04
# Beyond these levels the sensor clips, and noise with it.
CLIPPED = (4, 251)


def skin_blocks(view: UInt8Array, kept: BoolArray, matrix: Float64Array, block: int) -> BoolArray:
    """Finds the blocks of a part of a photo that show only skin.

    Args:
        view: uint8 `[H, W, 3]` RGB, the part.
        kept: bool `[H // block, W // block]`, the blocks without mask.
        matrix: float64 `[2, 3]`, from the part's pixels to those of a crop of 256.
        block: Side of the blocks in pixels.

    Returns:
        bool `[H // block, W // block]`.
    """
    if not kept.any():
        return kept
    # The map of the face, at the centers of the blocks.
    middle = (block - 1) / 2
    centers = matrix @ np.array([[block, 0, middle], [0, block, middle], [0, 0, 1]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    place = np.asarray(cv2.warpAffine(_face_map(), centers, kept.shape[::-1], flags=flags))
    skin = kept & (place > 0)
    patches = place[skin] == PATCH
    colors = block_means(view, block)[skin].astype(np.float32)
    skin[skin] = _similar(colors, colors[patches]) if patches.any() else False
    return skin


def full_blocks(where: BoolArray, block: int) -> BoolArray:
    """Returns the blocks that lie in an area completely, without those at the image's border.

    At the border filters see a mirror image.

    Args:
        where: bool `[H, W]`, the area.
        block: Side of the blocks in pixels.

    Returns:
        bool `[H // block, W // block]`.
    """
    full: BoolArray = np.zeros((where.shape[0] // block, where.shape[1] // block), np.bool_)
    if min(full.shape) > 2:
        share = block_means(where.astype(np.float32), block)
        full[1:-1, 1:-1] = share[1:-1, 1:-1] > 0.999
    return full


def block_means(values: AnyArray, block: int) -> AnyArray:
    """Returns means over blocks; rows and columns that do not fill a block are left out."""
    rows, columns = values.shape[0] // block, values.shape[1] // block
    inside = values[: rows * block, : columns * block]
    return np.asarray(cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA))


@lru_cache(maxsize=1)
def _face_map() -> UInt8Array:
    """Returns where a crop of 256 shows skin: uint8 `[256, 256]`, 0, `FACE` or `PATCH`."""
    y, x = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    face = _ellipse(x, y, OUTLINE)
    for feature in FEATURES:
        face &= ~_ellipse(x, y, feature)
    patches = np.zeros_like(face)
    for x0, y0, x1, y1 in SKIN_PATCHES:
        patches[y0:y1, x0:x1] = True
    return np.where(face, np.where(patches, PATCH, FACE), 0).astype(np.uint8)


def _ellipse(x: Int64Array, y: Int64Array, ellipse: tuple[int, int, int, int]) -> BoolArray:
    center_x, center_y, radius_x, radius_y = ellipse
    return np.asarray(((x - center_x) / radius_x) ** 2 + ((y - center_y) / radius_y) ** 2 < 1)


def _similar(colors: Float32Array, samples: Float32Array) -> BoolArray:
    """Returns which colors, `[N, 3]`, may be skin if most samples are, and are not clipped."""
    skin = np.sort(samples, 0)[len(samples) // 2]
    total, skin_total = colors.sum(1), max(float(skin.sum()), 1.0)
    hue = np.abs(colors / np.maximum(total, 1)[:, None] - skin / skin_total).max(1)
    lit = (total >= DARKEST * skin_total) & (total <= BRIGHTEST * skin_total)
    unclipped = (colors.min(1) >= CLIPPED[0]) & (colors.max(1) <= CLIPPED[1])
    return np.asarray((hue <= MAX_HUE_DIFFERENCE) & lit & unclipped)
