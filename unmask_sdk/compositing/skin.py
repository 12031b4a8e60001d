"""Finds the skin of a face, where noise is measured.

Hair, eyebrows, glasses and what is behind the face have texture that is not noise. Skin is what
lies in the outline of the face, away from eyes and mouth, and has the color of the bridge of the
nose and of the cheeks below the eyes, which masks and hair cover least.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from unmask_sdk.faces.align import transform_points

# In pixels of a crop of 256, from the mean face mesh: center x and y, and radii, of the outline of
# a face that may be turned by 30 degrees, and of what is not skin in it: eyes with eyebrows,
# nostrils, mouth.
OUTLINE = (128, 138, 52, 74)
FEATURES = ((95, 102, 25, 21), (161, 102, 25, 21), (128, 153, 20, 11), (128, 182, 30, 17))
# x0, y0, x1, y1: the bridge of the nose and the cheeks below the eyes. Their median is the color
# of the skin.
SKIN_PATCHES = ((117, 94, 139, 130), (82, 124, 114, 140), (142, 124, 174, 140))
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
    points = _block_centers(kept.shape, matrix, block)
    inside = kept & _in_ellipse(points, OUTLINE)
    for feature in FEATURES:
        inside &= ~_in_ellipse(points, feature)
    patches = inside & np.any([_in_box(points, patch) for patch in SKIN_PATCHES], 0)
    if not patches.any():
        return patches
    colors = block_means(view, block).astype(np.float32)
    inside &= (colors.min(-1) >= CLIPPED[0]) & (colors.max(-1) <= CLIPPED[1])
    return inside & _similar(colors, np.median(colors[patches], 0))


def full_blocks(where: BoolArray, block: int) -> BoolArray:
    """Returns the blocks that lie in an area completely, without those at the image's border.

    At the border filters see a mirror image.

    Args:
        where: bool `[H, W]`, the area.
        block: Side of the blocks in pixels.

    Returns:
        bool `[H // block, W // block]`.
    """
    full = np.zeros((where.shape[0] // block, where.shape[1] // block), np.bool_)
    if min(full.shape) > 2:
        share = block_means(where.astype(np.float32), block)
        full[1:-1, 1:-1] = share[1:-1, 1:-1] > 0.999
    return full


def block_means(values: UInt8Array | Float32Array, block: int) -> UInt8Array | Float32Array:
    """Returns means over blocks; rows and columns that do not fill a block are left out."""
    rows, columns = values.shape[0] // block, values.shape[1] // block
    inside = values[: rows * block, : columns * block]
    return np.asarray(cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA))


def _block_centers(shape: tuple[int, ...], matrix: Float64Array, block: int) -> Float64Array:
    """Returns the centers of blocks in a crop of 256, `[rows, columns, 2]`."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return transform_points(matrix, (np.stack([x, y], -1) + 0.5) * block - 0.5)


def _in_ellipse(points: Float64Array, ellipse: tuple[int, int, int, int]) -> BoolArray:
    x, y, rx, ry = ellipse
    return np.asarray(np.square((points - (x, y)) / (rx, ry)).sum(-1) < 1)


def _in_box(points: Float64Array, box: tuple[int, int, int, int]) -> BoolArray:
    return np.asarray(((points >= box[:2]) & (points < box[2:])).all(-1))


def _similar(colors: Float32Array, skin: Float32Array) -> BoolArray:
    """Returns which colors, `[..., 3]`, may be skin of this color, lighter or darker."""
    total, skin_total = colors.sum(-1), max(float(skin.sum()), 1.0)
    shares = colors / np.maximum(total, 1)[..., None]
    hue = np.abs(shares - skin / skin_total).max(-1) <= MAX_HUE_DIFFERENCE
    return np.asarray(
        hue & (total >= DARKEST * skin_total) & (total <= BRIGHTEST * skin_total), np.bool_
    )
