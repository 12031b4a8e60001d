"""Between photo and crop: cutting a face out, and pasting it back.

Only the part of the photo round the face is touched, so that a large photo costs no more than its
faces. Coordinates and matrices are those of `align.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from .align import CROP_SIZE, bounds, pixels_per_pixel, shifted, to_photo

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Opacity = npt.NDArray[np.float32]
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

# A pasted region is worked through in squares of this side, which bounds the memory.
_TILE = 1024


def paste(image: Pixels, crop: Pixels, mask: Pixels, matrix: Floats) -> Region | None:
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
    alpha = opacity(mask)
    filled = _extent(alpha)
    if filled is None:
        return None
    size = crop.shape[0]
    small = min(size, max(1, round(size * pixels_per_pixel(matrix))))
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
    region = bounds(to_photo(matrix, corners), image, 1.0)
    for left, top, right, bottom in _tiles(region):
        view = image[top:bottom, left:right]
        _blend(view, source, cover, shifted(warp, left, top))
    return region if region[2] > region[0] and region[3] > region[1] else None


def opacity(mask: Pixels) -> Opacity:
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
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    wide = cv2.dilate((mask >= FAINT).astype(np.float32), kernel)
    window = 2 * (fade // 2) + 1
    soft = np.asarray(cv2.GaussianBlur(wide, (window, window), 0), np.float32)
    margin = max(1, round(MARGIN * scale))
    ramp = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / margin
    ramp = np.minimum(ramp, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(soft * np.minimum.outer(ramp, ramp), np.float32)


def _blend(view: Pixels, source: Pixels, cover: Opacity, warp: Floats) -> None:
    size = (view.shape[1], view.shape[0])
    flags = cv2.WARP_INVERSE_MAP
    # Opacity is interpolated linearly: cubic would overshoot to below 0 and above 1.
    alpha = cv2.warpAffine(
        cover, warp, size, flags=flags | cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    if not alpha.any():
        return
    fresh = cv2.warpAffine(
        source, warp, size, flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    blended = cv2.blendLinear(view, fresh, 1 - alpha, alpha)
    # Only where there is something to paste: `blendLinear` makes no promise for the rest.
    view[...] = cv2.copyTo(blended, (alpha > 0).astype(np.uint8), view)


def _extent(alpha: Opacity) -> Region | None:
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _tiles(region: Region) -> Iterator[Region]:
    x0, y0, x1, y1 = region
    for top in range(y0, y1, _TILE):
        for left in range(x0, x1, _TILE):
            yield left, top, min(left + _TILE, x1), min(top + _TILE, y1)
