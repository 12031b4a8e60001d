"""Blends an unmasked crop back into its photo.

Only the part of the photo around the face is touched, so that a large photo costs no more than its
faces. The fill gets the sharpness and the noise of the face around it. Coordinates and matrices
are those of `faces/align.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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

from .grain import GrainScale, VisiblePart, add_grain, grain_offset, missing_grain
from .skin import full_blocks, skin_blocks

# x0, y0, x1, y1 in whole pixels; x1 and y1 are exclusive.
Region = tuple[int, int, int, int]

# Mask values (of 255) below this are invisible and are not blended.
FAINT = 8
# In pixels of a crop of 256: how far beyond the mask the crop is fully opaque, and the width of
# the fade that follows.
WIDEN = 2
FADE = 4
# The fade at the crop's edge, in the same pixels, for masks (scarves) that extend beyond the crop.
MARGIN = 10

# In pixels of a crop of 256 (x0, y0, x1, y1): the eyes and the skin around them, which no mask
# hides, for sharpness. For noise, the middle (x, y) between forehead and cheeks.
EYES, EYES_CENTER = (48, 70, 148, 150), (128, 101)
# Both are measured in windows of the photo and the fill of at most these sides.
WINDOW, FILL_WINDOW = 160, 128
# Unsharp mask for an enlarged crop that is less sharp than the photo: sigma in pixels of the crop,
# and the largest gain.
DETAIL = 0.7
MAX_GAIN = 1.5
# A crop whose side in the photo is at least this has enough detail around the eyes alone.
LARGE = 384

# The region is processed in squares of this side, which limits memory.
_TILE = 1024


@dataclass(eq=False)
class Texture:
    """Sharpness and noise that a fill lacks, as measured in a photo.

    In a video they change slowly, so frames share what was measured in one of them.

    Attributes:
        gain: Gain of the unsharp mask; `None` until it is measured.
        grain: From `missing_grain`; `None` until it is measured.
    """

    gain: float | None = None
    grain: Float32Array | None = None


def blend_crop(
    image: UInt8Array,
    crop: UInt8Array,
    mask: UInt8Array,
    matrix: Float64Array,
    texture: Texture | None = None,
) -> Region | None:
    """Blends an unmasked crop into the photo, in place, where the mask was.

    Args:
        image: uint8 `[H, W, 3]`, changed in place. Pixels where `blend_opacity(mask)`, warped to
            the photo, is 0 keep their value bit for bit.
        crop: uint8 `[S, S, 3]`, the crop without its mask.
        mask: uint8 `[S, S]`, 0 where the crop is unchanged.
        matrix: float64 `[2, 3]`, photo to crop.
        texture: What an earlier frame of a video lacked there is used; what is `None` is measured.
            By default all is.

    Returns:
        The rectangle outside of which nothing changed; `None` if nothing changed.
    """
    texture = Texture() if texture is None else texture
    source, opacity, warp, region = _at_photo_resolution(image, crop, mask, matrix)
    if region[2] <= region[0] or region[3] <= region[1]:
        return None
    size = len(crop)
    if len(source) == size:
        if texture.gain is None:
            texture.gain = _missing_gain(image, source, opacity, matrix)
        source = _sharpened(source, texture.gain)
    tiles = list(_tiles(region))
    middle = _center_cut(region, FILL_WINDOW)
    # Nearly always there is one tile, and the middle is a part of it.
    first = tiles[0] if len(tiles) == 1 else middle
    fill, alpha = _warp_to_photo(source, opacity, warp, first)
    to_canonical = matrix * (CROP_SIZE / size)
    box = _around_eyes(image, to_canonical)
    pixels = image[box[1] : box[3], box[0] : box[2]]
    if texture.grain is None:
        x, y = (slice(middle[i] - first[i], middle[i + 2] - first[i]) for i in (0, 1))
        scale = GrainScale.of_face(size * photo_px_per_crop_px(matrix))
        corner = box[:2]
        visible = _visible_part(
            pixels,
            offset_matrix(warp, *corner),
            opacity,
            offset_matrix(to_canonical, *corner),
            scale,
        )
        filled = full_blocks(alpha[y, x] > 0.99, scale.block)
        texture.grain = missing_grain(visible, fill[y, x], filled, scale)
    offset = grain_offset(pixels)
    for tile in tiles:
        if tile != first:
            fill, alpha = _warp_to_photo(source, opacity, warp, tile)
        place = (offset[0] + tile[0], offset[1] + tile[1])
        _blend(image[tile[1] : tile[3], tile[0] : tile[2]], fill, alpha, texture.grain, place)
    return region


def blend_plain(
    image: UInt8Array, crop: UInt8Array, mask: UInt8Array, matrix: Float64Array
) -> None:
    """Blends as `blend_crop` does, but matches neither sharpness nor noise.

    This is what apps without Python do, see docs/phone.md.
    """
    source, opacity, warp, region = _at_photo_resolution(image, crop, mask, matrix)
    for tile in _tiles(region):
        fill, alpha = _warp_to_photo(source, opacity, warp, tile)
        _blend(image[tile[1] : tile[3], tile[0] : tile[2]], fill, alpha, None, (0, 0))


def _around_eyes(image: UInt8Array, matrix: Float64Array) -> Region:
    """Returns the part of the photo around the eyes, at most `WINDOW` pixels wide and high.

    Args:
        image: uint8 `[H, W, 3]`.
        matrix: float64 `[2, 3]`, from the photo to a crop of 256.
    """
    return bounding_rect(crop_to_photo(matrix, [EYES_CENTER]), image, WINDOW // 2)


def _visible_part(
    pixels: UInt8Array,
    warp: Float64Array,
    opacity: Float32Array,
    matrix: Float64Array,
    scale: GrainScale,
) -> VisiblePart:
    """Returns what of a part of the photo stays visible.

    Args:
        pixels: uint8 `[H, W, 3]`, the part.
        warp: float64 `[2, 3]`, from the part to `opacity`.
        opacity: float32 `[s, s]`, of the crop at the photo's resolution.
        matrix: float64 `[2, 3]`, from the part to a crop of 256.
        scale: For the size of the face.
    """
    visible = np.zeros(pixels.shape[:2], np.bool_)
    if pixels.size:
        visible = _warp_opacity(opacity, warp, _size(pixels)) == 0
    kept = full_blocks(visible, scale.block)
    return VisiblePart(pixels, kept, skin_blocks(pixels, kept, matrix, scale.block))


def _at_photo_resolution(
    image: UInt8Array, crop: UInt8Array, mask: UInt8Array, matrix: Float64Array
) -> tuple[UInt8Array, Float32Array, Float64Array, Region]:
    """Returns crop and opacity, downsampled if the face is small, their matrix and their region."""
    alpha = blend_opacity(mask)
    filled = _extent(alpha)
    size = len(crop)
    if filled is None:
        return crop, alpha, matrix, (0, 0, 0, 0)
    small = min(size, max(1, round(size * photo_px_per_crop_px(matrix))))
    source, opacity, warp = crop, alpha, matrix
    padding = 1
    if small < size:
        # A small face: averaged to the photo's resolution, so that fine detail cannot alias.
        source = np.asarray(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA))
        opacity = np.asarray(cv2.resize(alpha, (small, small), interpolation=cv2.INTER_AREA))
        factor = small / size
        shrink = np.array([[factor, 0, 0.5 * factor - 0.5], [0, factor, 0.5 * factor - 0.5]])
        warp = shrink @ np.vstack([matrix, [0, 0, 1]])
        padding += -(-size // small)
    x0, y0 = filled[0] - padding, filled[1] - padding
    x1, y1 = filled[2] + padding, filled[3] + padding
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    return source, opacity, warp, bounding_rect(crop_to_photo(matrix, corners), image, 1.0)


def blend_coverage(
    image: UInt8Array, pasted: Iterable[tuple[UInt8Array, UInt8Array, Float64Array]]
) -> UInt8Array:
    """Returns how much of each pixel of a photo `blend_crop` takes from crops.

    Args:
        image: uint8 `[H, W, 3]`.
        pasted: Crop, mask and matrix of each face.

    Returns:
        uint8 `[H, W]`: 0 where the photo's pixel stays, 1 to 255 where it may change.
    """
    visible = np.ones(image.shape[:2], np.float32)
    for crop, mask, matrix in pasted:
        _, opacity, warp, region = _at_photo_resolution(image, crop, mask, matrix)
        for x0, y0, x1, y1 in _tiles(region):
            alpha = _warp_opacity(opacity, offset_matrix(warp, x0, y0), (x1 - x0, y1 - y0))
            visible[y0:y1, x0:x1] *= 1 - alpha
    return np.asarray(np.ceil(255 * (1 - visible)), np.uint8)


def blend_opacity(mask: UInt8Array) -> Float32Array:
    """Returns the opacity of the crop: a little wider than the mask, then fading out.

    Args:
        mask: uint8 `[S, S]`.

    Returns:
        float32 `[S, S]`, 0..1: 1 wherever the mask is at least `FAINT` (except at the crop's
        edge), and 0 from `WIDEN + FADE` pixels away.
    """
    size = mask.shape[0]
    scale = size / CROP_SIZE
    fade = max(1, round(FADE * scale))
    # The blur extends inwards by half of the fade; widening by as much more keeps the mask opaque.
    reach = 2 * round(WIDEN * scale + fade / 2) + 1
    window = 2 * (fade // 2) + 1
    visible = (mask >= FAINT).view(np.uint8)
    left, top, width, height = cv2.boundingRect(visible)
    # All that becomes opaque lies in this part; it ends with zeros, or at the crop's edge.
    around = reach + window
    rows = slice(max(0, top - around), top + height + around)
    columns = slice(max(0, left - around), left + width + around)
    opacity = np.zeros(mask.shape, np.float32)
    if width:
        wide = cv2.dilate(visible[rows, columns], _disc(reach)).astype(np.float32)
        soft = np.asarray(cv2.GaussianBlur(wide, (window, window), 0), np.float32)
        np.multiply(soft, _margin(size)[rows, columns], out=opacity[rows, columns])
    return opacity


@lru_cache(maxsize=4)
def _disc(side: int) -> UInt8Array:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


@lru_cache(maxsize=4)
def _margin(size: int) -> Float32Array:
    """Returns the opacity of a crop of this side towards its edge."""
    margin = max(1, round(MARGIN * size / CROP_SIZE))
    ramp = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / margin
    ramp = np.minimum(ramp, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(np.minimum.outer(ramp, ramp), np.float32)


def _blend(
    view: UInt8Array,
    fill: UInt8Array,
    alpha: Float32Array,
    strengths: Float32Array | None,
    place: tuple[int, int],
) -> None:
    blended = cv2.blendLinear(view, fill, 1 - alpha, alpha)
    if strengths is not None and strengths.any():
        blended = add_grain(np.asarray(blended, np.uint8), alpha, strengths, place)
    # Only where alpha is above 0: `blendLinear` may change other pixels.
    cv2.copyTo(blended, (alpha > 0).view(np.uint8), view)


def _warp_to_photo(
    source: UInt8Array, opacity: Float32Array, warp: Float64Array, tile: Region
) -> tuple[UInt8Array, Float32Array]:
    """Returns fill and opacity, warped to a part of the photo."""
    left, top, right, bottom = tile
    tile_warp = offset_matrix(warp, left, top)
    size = (right - left, bottom - top)
    return _warp_image(source, tile_warp, size), _warp_opacity(opacity, tile_warp, size)


def _warp_opacity(opacity: Float32Array, warp: Float64Array, size: tuple[int, int]) -> Float32Array:
    # Linear interpolation, because cubic would overshoot below 0 and above 1.
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(opacity, warp, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    )


def _warp_image(source: AnyArray, warp: Float64Array, size: tuple[int, int]) -> AnyArray:
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(source, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _window(
    image: UInt8Array, matrix: Float64Array, box: tuple[int, int, int, int], size: int
) -> Region:
    """Returns the part of a photo around a box of a crop of 256, cut to `WINDOW` at its middle."""
    x0, y0, x1, y1 = (size / CROP_SIZE * side for side in box)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return _center_cut(bounding_rect(crop_to_photo(matrix, corners), image, 8), WINDOW)


def _center_cut(region: Region, side: int) -> Region:
    x0, y0, x1, y1 = region
    spare_x, spare_y = max(0, x1 - x0 - side) // 2, max(0, y1 - y0 - side) // 2
    return x0 + spare_x, y0 + spare_y, x1 - spare_x, y1 - spare_y


def _missing_gain(
    image: UInt8Array, crop: UInt8Array, opacity: Float32Array, matrix: Float64Array
) -> float:
    """Returns the gain of the unsharp mask with which a crop is as sharp as the photo, 0 for none.

    Where the crop is unchanged, the enlarged crop must equal the photo. The gain that comes nearest
    to this is a least-squares fit over all pixels that are kept.
    """
    large = len(crop) * photo_px_per_crop_px(matrix) >= LARGE
    box = EYES if large else (0, 0, CROP_SIZE, CROP_SIZE)
    left, top, right, bottom = _window(image, matrix, box, len(crop))
    # One pixel in four is enough for the fit.
    window = image[top:bottom:2, left:right:2]
    if not window.size:
        return 0.0
    warp, size = offset_matrix(matrix, left, top) @ np.diag([2.0, 2.0, 1.0]), _size(window)
    kept = np.asarray(_warp_opacity(opacity, warp, size) == 0, np.float32)
    gray = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32)
    detail = _warp_image(gray - cv2.GaussianBlur(gray, (0, 0), DETAIL), warp, size) * kept
    lost = (cv2.cvtColor(window, cv2.COLOR_RGB2GRAY) - _warp_image(gray, warp, size)) * kept
    power = float(np.vdot(detail, detail))
    # Without noticeable detail there is nothing to fit.
    if power <= kept.sum():
        return 0.0
    return max(0.0, min(float(np.vdot(detail, lost)) / power, MAX_GAIN))


def _sharpened(crop: UInt8Array, gain: float) -> UInt8Array:
    if not gain:
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
