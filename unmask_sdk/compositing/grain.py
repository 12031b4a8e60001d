"""Grain: gives a fill noise of the same strength and frequencies as the photo around it.

A network generates smooth images, and a crop has no more detail than its pixels. A photo has more:
noise of the sensor and of compression, and the fine texture of skin. This is measured on the skin
that stays visible, and what the fill lacks of it is added: never more than the flattest parts of
the photo have, and only what a sensor or skin can have. Texture of hair, foliage or bricks on the
fill would be speckle; no grain at all is the smaller fault.

Noise is measured in frequency bands of one octave each and in three opponent color channels, one
of brightness and two of hue. The added noise comes from a fixed sheet, at an offset that depends
only on the photo, so that it gives the same result every time, and whatever runs the network.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from unmask_sdk.core.arrays import BoolArray, Float32Array, Float64Array, UInt8Array

from .noise_sheet import BANDS, SHEET, noise_sheets, split_bands
from .skin import block_means

# From RGB to brightness and two hues; orthonormal, so that its transpose is its inverse.
TO_OPPONENT = np.array(
    [[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], np.float32
)
# These fractions are assumed to be flat: of the blocks of skin or of the fill, and of all blocks
# around the eyes.
FLATTEST, FLATTEST_OF_ALL = 0.15, 0.1
# With fewer blocks of skin nothing is added, with more than the second number all that is missing.
# 21 blocks of a face of 149 px were of the hair on its forehead.
FEWEST_BLOCKS, ENOUGH_BLOCKS = 12, 24
# Noise is even: the median of the blocks has 1.2 to 1.8 times the variance of the flattest. Skin
# has 2.3 times as much (portraits), hair before a forehead 7 times. What exceeds this is taken off.
UNEVEN = 2.5
# Standard deviations, of 255: weaker noise is invisible.
FAINT = 0.5
# The largest standard deviations by band. White noise of 10 in each color, as of a sensor in the
# dark, has 7.8 of the finest; skin of 240 sharp portraits, in faces of 94 to 312 px, 1.2 to 2.6
# (median) and 3.5 to 8.4 (99 %). Of coarser grain it has 2.3 to 2.9 (median) and 4.7 (90 %), but
# more than 3.5 of invented grain is seen as speckle.
STRONGEST = np.array([8.0, 3.5, 3.5])
# The largest variances relative to the finest band. What has only coarse bands is hair, or the
# shape of the face. With 5, a small face in a photo with noise that was blurred with a sigma of 0.8
# gets 0.74 to 0.83 of its second band; with 3 at most 0.73.
COARSEST = np.array([1.0, 5.0, 5.0])


class GrainScale(NamedTuple):
    """How noise is measured in a face of some size.

    Attributes:
        block: Side in pixels of the blocks over which noise is averaged.
        bands: Number of bands that are noise; coarser ones are features of the face.
    """

    block: int
    bands: int

    @classmethod
    def of_face(cls, side: float) -> GrainScale:
        """Returns the scale for a face whose crop has this side in the photo, in pixels.

        In a bare face of 140 px the second band of cheeks and forehead is unrelated to that of the
        chin (correlation 0.28; 0.43 at 218 px): it is shape, not texture.
        """
        return cls(4 if side < 256 else 8, 1 if side < 160 else 2 if side < 384 else 3)


class VisiblePart(NamedTuple):
    """A part of a photo in which noise is measured.

    Attributes:
        pixels: uint8 `[H, W, 3]` RGB.
        kept: bool `[H // block, W // block]`, the blocks that no fill touches.
        skin: bool, the same shape, those of them that show only skin.
    """

    pixels: UInt8Array
    kept: BoolArray
    skin: BoolArray


def missing_grain(
    photo: VisiblePart, fill: UInt8Array, filled: BoolArray, scale: GrainScale
) -> Float32Array:
    """Measures the noise that a fill lacks.

    Args:
        photo: The photo around the eyes.
        fill: uint8 `[h, w, 3]`, at the photo's resolution.
        filled: bool `[h // block, w // block]`, the blocks where it hides the photo.
        scale: For the size of the face.

    Returns:
        float32 `[3, BANDS]`, strengths (standard deviations, of 255) by opponent channel and band;
        0 where the fill lacks no visible noise, or too little skin is kept to measure.
    """
    strengths = np.zeros((3, BANDS), np.float32)
    known = (np.count_nonzero(photo.skin) - FEWEST_BLOCKS) / (ENOUGH_BLOCKS - FEWEST_BLOCKS)
    if known <= 0 or np.count_nonzero(filled) < FEWEST_BLOCKS:
        return strengths
    around = block_variances(photo.pixels, scale)
    # Noise is everywhere in a photo; what skin alone has is shine and stubble.
    everywhere = _flattest(around[photo.kept], FLATTEST_OF_ALL)
    everywhere *= (_in_sheet(scale.block) / _in_sheet(scale.block, FLATTEST_OF_ALL))[: scale.bands]
    in_photo = np.minimum(_even_part(around[photo.skin]), everywhere)
    in_fill = _flattest(block_variances(fill, scale)[filled])
    variances = _unmix(np.maximum(in_photo - in_fill, 0), scale.block)
    strengths[:, : scale.bands] = min(known, 1) * np.sqrt(variances)
    strengths[strengths < FAINT] = 0
    return strengths


def block_variances(image: UInt8Array, scale: GrainScale) -> Float32Array:
    """Returns variances by block, opponent channel and band, float32 `[rows, columns, 3, bands]`.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        scale: For the size of the face.
    """
    channels = np.asarray(cv2.transform(image.astype(np.float32), TO_OPPONENT), np.float32)
    bands = split_bands(channels, scale.bands)
    return np.stack([block_means(band * band, scale.block) for band in bands], -1)


def _flattest(variances: Float32Array, share: float = FLATTEST) -> Float64Array:
    """Returns a quantile over the blocks, `[N, …]` to `[…]`."""
    rank = int(share * len(variances))
    return np.asarray(np.partition(variances, rank, axis=0)[rank], np.float64)


def _even_part(variances: Float32Array) -> Float64Array:
    """Returns the flattest part of skin, less where skin is uneven: hair, wrinkles and shine."""
    flat, middle = _flattest(variances), _flattest(variances, 0.5)
    return flat * np.minimum(1, UNEVEN * flat / np.maximum(middle, 1e-9))


def _unmix(variances: Float64Array, block: int) -> Float64Array:
    """Returns the variances of the sheets whose sum measures nearest to the given variances.

    Filters overlap, so each sheet is also measured in other bands (`_leaks`). The solution is a
    least-squares fit by multiplicative updates, within the limits of each band: its own measured
    variance, `STRONGEST` and `COARSEST`.
    """
    bands = variances.shape[1]
    leaks = _leaks(block)[:bands, :bands]
    target = variances / leaks.diagonal()
    leaks = leaks / leaks.diagonal()[:, None]
    limits = np.minimum(target, np.square(STRONGEST[:bands]))
    mixture: Float64Array = np.maximum(limits, 1e-9)
    for _ in range(15):
        mixture *= (target @ leaks + 1e-9) / (mixture @ leaks.T @ leaks + 1e-9)
        np.minimum(mixture, limits, out=mixture)
        np.minimum(mixture, mixture[:, :1] * COARSEST[:bands], out=mixture)
    return mixture


def add_grain(
    image: UInt8Array, opacity: Float32Array, strengths: Float32Array, place: tuple[int, int]
) -> UInt8Array:
    """Returns an image with grain added.

    Args:
        image: uint8 `[H, W, 3]`, the fill blended into the photo.
        opacity: float32 `[H, W]`, 0..1, the share of the fill in each pixel.
        strengths: From `missing_grain`.
        place: The pixel (x, y) of the repeating sheet that is added to the first pixel.
    """
    height, width = image.shape[:2]
    # Where photo and fill are mixed, the photo has some noise itself; variances add up.
    strength = np.sqrt(opacity * (2 - opacity))
    # One factor for each value: NumPy repeats factors along a short last axis slowly.
    grain = np.asarray(cv2.merge([strength, strength, strength]))
    sheet = _color_sheet(strengths.astype(np.float32).tobytes())
    for top in range(-(place[1] % SHEET), height, SHEET):
        rows = slice(max(0, top), min(top + SHEET, height))
        for left in range(-(place[0] % SHEET), width, SHEET):
            columns = slice(max(0, left), min(left + SHEET, width))
            grain[rows, columns] *= sheet[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U))


@lru_cache(maxsize=4)
def _color_sheet(strengths: bytes) -> Float32Array:
    """Returns the sheet of noise of some strengths in RGB, float32 `[SHEET, SHEET, 3]`.

    The last ones are kept: frames of a video share their strengths.

    Args:
        strengths: float32 `[3, BANDS]`, see `missing_grain`.
    """
    factors = np.frombuffer(strengths, np.float32).reshape(3, 1, BANDS)
    planes = np.matmul(factors, noise_sheets().reshape(3, BANDS, -1)).reshape(3, SHEET, SHEET)
    return np.asarray(cv2.transform(cv2.merge(list(planes)), np.ascontiguousarray(TO_OPPONENT.T)))


def grain_offset(pixels: UInt8Array) -> tuple[int, int]:
    """Returns which place (x, y) of the sheet lies on the photo's first pixel: a hash of pixels.

    Args:
        pixels: uint8 `[H, W, 3]`, the part of the photo around the eyes.
    """
    digest = zlib.crc32(pixels[::8, ::8].tobytes())
    return digest % SHEET, digest // SHEET % SHEET


@lru_cache(maxsize=4)
def _leaks(block: int, share: float = FLATTEST) -> Float64Array:
    """Returns what each band (row) measures of a sheet of strength 1 (column)."""
    measured = [
        [
            float(_flattest(block_means(band * band, block).ravel(), share))
            for band in split_bands(sheet)
        ]
        for sheet in noise_sheets()[0]
    ]
    leaks: Float64Array = np.array(measured).T
    return leaks


def _in_sheet(block: int, share: float = FLATTEST) -> Float64Array:
    """Returns what each band measures of its own sheet of strength 1."""
    return np.asarray(_leaks(block, share).diagonal())
