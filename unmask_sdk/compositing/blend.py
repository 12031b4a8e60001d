"""Between photo and crop: cutting a face out, and pasting it back.

Only the part of the photo round the face is touched, so that a large photo costs no more than its
faces. What is pasted is as sharp and as noisy as the face round it. Coordinates and matrices are
those of `align.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import cv2
import numpy as np

from unmask_sdk.core.arrays import AnyArray, Float32Array, Float64Array, UInt8Array
from unmask_sdk.faces.align import (
    CROP_SIZE,
    bounding_rect,
    crop_to_photo,
    offset_matrix,
    photo_px_per_crop_px,
)

from . import grain

# x0, y0, x1, y1 in whole pixels, the last ones excluded.
Region = tuple[int, int, int, int]

# Less of the mask than this (of 255) cannot be seen, and is not worth pasting for.
FAINT = 8
# In pixels of a 256 crop: how far beyond the mask the crop is pasted whole, and the length of the
# fade that follows.
WIDEN = 2
FADE = 4
# The crop's own edge fades too, where a mask (a scarf) reaches over it.
MARGIN = 10

# In pixels of a 256 crop: one eye and the skin round it, which no mask hides; x0, y0, x1, y1.
EYES = (48, 70, 148, 150)
# The photo and the fill are measured in windows of at most these sides.
WINDOW, FILL_WINDOW = 160, 128
# In pixels of the crop: detail that is made stronger where an enlarged crop is less sharp than the
# photo, and how much stronger at most.
DETAIL = 0.7
MAX_GAIN = 1.5
# A crop of this side in the photo holds a large face: its skin alone has room to measure noise, and
# its features are coarser than any noise.
LARGE = 384

# A pasted region is worked through in squares of this side, which bounds the memory.
_TILE = 1024


def blend_crop(
    image: UInt8Array, crop: UInt8Array, mask: UInt8Array, matrix: Float64Array
) -> Region | None:
    """Puts an unmasked crop back into the photo, in place, where the mask was.

    Args:
        image: uint8 `[H, W, 3]`, changed in place. Pixels where `opacity(mask)`, carried into the
            photo, is 0 keep their value bit for bit.
        crop: uint8 `[S, S, 3]`, the crop without its mask.
        mask: uint8 `[S, S]`, 0 where the crop is as it was.
        matrix: float64 `[2, 3]`, photo to crop.

    Returns:
        The rectangle outside of which nothing changed; None if nothing changed at all.
    """
    source, cover, warp, region = _placed(image, crop, mask, matrix)
    if region[2] <= region[0] or region[3] <= region[1]:
        return None
    size = crop.shape[0]
    # In a small face every pixel is a feature; there the surroundings tell what is noise.
    large = size * photo_px_per_crop_px(matrix) >= LARGE
    box = EYES if large else (0, 0, CROP_SIZE, CROP_SIZE)
    left, top, right, bottom = _window(image, matrix, np.array(box) * (size / CROP_SIZE))
    shown, there = image[top:bottom, left:right], offset_matrix(warp, left, top)
    kept = np.zeros(shown.shape[:2], np.float32)
    if shown.size:
        kept[...] = _cover(cover, there, _size(shown)) == 0
    if len(source) == size and kept.any():
        source = _sharpened(source, there, shown, kept)
    tiles = list(_tiles(region))
    middle = _cut(region, FILL_WINDOW)
    # Nearly always one tile is all, and the middle a part of it.
    near = tiles[0] if len(tiles) == 1 else middle
    fill, alpha = _laid(source, cover, warp, near)
    x, y = (slice(middle[i] - near[i], middle[i + 2] - near[i]) for i in (0, 1))
    hides = (alpha[y, x] > 0.99).astype(np.float32)
    bands = grain.BANDS if large else grain.BANDS - 1
    noise = grain.missing_grain(shown, kept, fill[y, x], hides, bands)
    first = grain.grain_offset(crop)
    for tile in tiles:
        if tile != near:
            fill, alpha = _laid(source, cover, warp, tile)
        place = (first[0] + tile[0] - region[0], first[1] + tile[1] - region[1])
        _blend(image[tile[1] : tile[3], tile[0] : tile[2]], fill, alpha, noise, place)
    return region


def _placed(
    image: UInt8Array, crop: UInt8Array, mask: UInt8Array, matrix: Float64Array
) -> tuple[UInt8Array, Float32Array, Float64Array, Region]:
    """Gives crop and opacity at the photo's resolution, their matrix, and where they reach."""
    alpha = blend_opacity(mask)
    filled = _extent(alpha)
    size = len(crop)
    if filled is None:
        return crop, alpha, matrix, (0, 0, 0, 0)
    small = min(size, max(1, round(size * photo_px_per_crop_px(matrix))))
    source, cover, warp = crop, alpha, matrix
    spread = 1
    if small < size:
        # A small face: averaged to the photo's own resolution, so that fine detail cannot alias.
        source = np.asarray(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA))
        cover = np.asarray(cv2.resize(alpha, (small, small), interpolation=cv2.INTER_AREA))
        factor = small / size
        shrink = np.array([[factor, 0, 0.5 * factor - 0.5], [0, factor, 0.5 * factor - 0.5]])
        warp = shrink @ np.vstack([matrix, [0, 0, 1]])
        spread += -(-size // small)
    x0, y0, x1, y1 = filled[0] - spread, filled[1] - spread, filled[2] + spread, filled[3] + spread
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    return source, cover, warp, bounding_rect(crop_to_photo(matrix, corners), image, 1.0)


def blend_coverage(
    image: UInt8Array, pasted: Iterable[tuple[UInt8Array, UInt8Array, Float64Array]]
) -> UInt8Array:
    """Says how much of each pixel of a photo `paste` takes from crops.

    Args:
        image: uint8 `[H, W, 3]`.
        pasted: Crop, mask and matrix of each.

    Returns:
        uint8 `[H, W]`: 0 where the photo's pixel stays, 1 to 255 where it may change.
    """
    left = np.ones(image.shape[:2], np.float32)
    for crop, mask, matrix in pasted:
        _, cover, warp, region = _placed(image, crop, mask, matrix)
        for x0, y0, x1, y1 in _tiles(region):
            view = image[y0:y1, x0:x1]
            left[y0:y1, x0:x1] *= 1 - _cover(cover, offset_matrix(warp, x0, y0), _size(view))
    return np.asarray(np.ceil(255 * (1 - left)), np.uint8)


def blend_opacity(mask: UInt8Array) -> Float32Array:
    """Says how much of the crop is pasted where: a little more than the mask, then fading.

    Args:
        mask: uint8 `[S, S]`.

    Returns:
        float32 `[S, S]`, 0..1: 1 wherever the mask is more than `FAINT` (but at the crop's edge),
        and 0 from `WIDEN + FADE` pixels off.
    """
    size = mask.shape[0]
    scale = size / CROP_SIZE
    fade = max(1, round(FADE * scale))
    # The blur reaches half of the fade inwards; widening by as much more keeps the mask whole.
    reach = 2 * round(WIDEN * scale + fade / 2) + 1
    wide = cv2.dilate((mask >= FAINT).view(np.uint8), _disc(reach)).astype(np.float32)
    window = 2 * (fade // 2) + 1
    soft = np.asarray(cv2.GaussianBlur(wide, (window, window), 0), np.float32)
    return np.asarray(soft * _margin(size))


@lru_cache(maxsize=4)
def _disc(side: int) -> UInt8Array:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


@lru_cache(maxsize=4)
def _margin(size: int) -> Float32Array:
    """How a crop of this side fades towards its edge."""
    margin = max(1, round(MARGIN * size / CROP_SIZE))
    ramp = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / margin
    ramp = np.minimum(ramp, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(np.minimum.outer(ramp, ramp), np.float32)


def _blend(
    view: UInt8Array,
    fill: UInt8Array,
    alpha: Float32Array,
    noise: Float32Array | None,
    place: tuple[int, int],
) -> None:
    blended = cv2.blendLinear(view, fill, 1 - alpha, alpha)
    if noise is not None:
        blended = grain.add_grain(np.asarray(blended, np.uint8), alpha, noise, place)
    # Only where there is something to paste: `blendLinear` makes no promise for the rest.
    cv2.copyTo(blended, (alpha > 0).view(np.uint8), view)


def _laid(
    source: UInt8Array, cover: Float32Array, warp: Float64Array, tile: Region
) -> tuple[UInt8Array, Float32Array]:
    """Gives fill and opacity as they lie over a part of the photo."""
    left, top, right, bottom = tile
    there = offset_matrix(warp, left, top)
    size = (right - left, bottom - top)
    return _enlarged(source, there, size), _cover(cover, there, size)


def _cover(cover: Float32Array, warp: Float64Array, size: tuple[int, int]) -> Float32Array:
    # Interpolated linearly: cubic would overshoot to below 0 and above 1.
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(cover, warp, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    )


def _enlarged(source: AnyArray, warp: Float64Array, size: tuple[int, int]) -> AnyArray:
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(source, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _window(image: UInt8Array, matrix: Float64Array, box: Float64Array) -> Region:
    """The part of a photo round a box of the crop, cut to `WINDOW` about its middle."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return _cut(bounding_rect(crop_to_photo(matrix, corners), image, grain.BLOCK), WINDOW)


def _cut(region: Region, side: int) -> Region:
    x0, y0, x1, y1 = region
    spare_x, spare_y = max(0, x1 - x0 - side) // 2, max(0, y1 - y0 - side) // 2
    return x0 + spare_x, y0 + spare_y, x1 - spare_x, y1 - spare_y


def _sharpened(
    crop: UInt8Array, warp: Float64Array, shown: UInt8Array, kept: Float32Array
) -> UInt8Array:
    """Gives a crop that is as sharp, once enlarged, as the photo.

    Where the crop is the photo's own it must, enlarged, give the photo again: how much of its
    detail has to be added for that is a line fitted through all pixels that are kept.
    """
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32)
    # One pixel in four tells as much.
    shown, kept, warp = shown[::2, ::2], kept[::2, ::2], warp @ np.diag([2.0, 2.0, 1.0])
    size = _size(shown)
    detail = _enlarged(grey - cv2.GaussianBlur(grey, (0, 0), DETAIL), warp, size) * kept
    lost = (cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY) - _enlarged(grey, warp, size)) * kept
    power = float(np.vdot(detail, detail))
    # Where there is no detail to speak of, there is nothing to fit.
    gain = min(float(np.vdot(detail, lost)) / power, MAX_GAIN) if power > kept.sum() else 0.0
    if gain <= 0:
        return crop
    blurred = cv2.GaussianBlur(crop, (0, 0), DETAIL)
    return np.asarray(cv2.addWeighted(crop, 1 + gain, blurred, -gain, 0), np.uint8)


def _size(view: UInt8Array) -> tuple[int, int]:
    return view.shape[1], view.shape[0]


def _extent(alpha: Float32Array) -> Region | None:
    left, top, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    return (left, top, left + width, top + height) if width else None


def _tiles(region: Region) -> Iterator[Region]:
    x0, y0, x1, y1 = region
    for top in range(y0, y1, _TILE):
        for left in range(x0, x1, _TILE):
            yield left, top, min(left + _TILE, x1), min(top + _TILE, y1)
