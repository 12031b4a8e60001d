"""Grain: gives a fill noise of the same strength and frequencies as the photo around it.

A network generates smooth images, and a crop has no more detail than its pixels. A photo has more:
noise of the sensor and of compression, and the fine texture of skin. This is measured on the part
of the face that is kept, and what the fill lacks of it is added.

Noise is measured in frequency bands of one octave each and in three opponent color channels, one
of brightness and two of hue. The added noise comes from a fixed sheet, at an offset that depends
only on the fill, so that a photo gives the same result every time.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

# From RGB to brightness and two hues; orthonormal, so that its transpose is its inverse.
TO_OPPONENT = np.array(
    [[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], np.float32
)
# Octaves, the finest first: what Gaussian blurs with a sigma of 0.8, 1.6 and 3.2 pixels remove.
BANDS = 3
FINEST = 0.8
# Side in pixels of the blocks over which noise is averaged, and the fewest blocks for an estimate.
BLOCK = 8
MIN_BLOCKS = 12
# This fraction of the blocks is assumed to be flat.
FLATTEST = 0.15
# Standard deviations, of 255: weaker noise is invisible, stronger is structure and not noise.
FAINT = 0.5
STRONGEST = 24.0
# Side of the sheet of noise in pixels.
SHEET = 256


def missing_grain(
    photo: UInt8Array,
    kept: Float32Array,
    fill: UInt8Array,
    filled: Float32Array,
    bands: int = BANDS,
) -> Float32Array | None:
    """Measures the noise that a fill lacks.

    Args:
        photo: uint8 `[H, W, 3]`.
        kept: float32 `[H, W]`, 1 where the photo shows the face and is kept.
        fill: uint8 `[h, w, 3]`, at the photo's resolution.
        filled: float32 `[h, w]`, 1 where it hides the photo.
        bands: Number of bands that are noise; in a small face the coarser ones are features.

    Returns:
        float32 `[3, BANDS]`, strengths (standard deviations, of 255) by opponent channel and band;
        `None` if the fill lacks no visible noise, or too little of the face is kept to measure.
    """
    in_photo = measure_noise(photo, kept, bands)
    in_fill = None if in_photo is None else measure_noise(fill, filled, bands)
    if in_photo is None or in_fill is None:
        return None
    # Noise is not stronger in coarser bands: if it seems to be, that is the shape of the face.
    in_photo = np.minimum.accumulate(in_photo, 1)
    variances = _unmix(np.maximum(in_photo - in_fill, 0))
    strengths = np.zeros((3, BANDS), np.float32)
    strengths[:, :bands] = np.sqrt(np.minimum(variances, STRONGEST**2))
    strengths[strengths < FAINT] = 0
    return strengths if strengths.any() else None


def measure_noise(image: UInt8Array, where: Float32Array, bands: int) -> Float64Array | None:
    """Measures noise where the image is flattest; elsewhere may be hair, eyelashes and folds.

    Args:
        image: uint8 `[H, W, 3]`.
        where: float32 `[H, W]`, 1 where to measure.
        bands: Number of bands to measure, the finest first.

    Returns:
        float64 `[3, bands]`, variances by opponent channel and band; `None` if the area is too
        small.
    """
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    if min(rows, columns) < 3:
        return None
    inside = _block_means(where) > 0.999
    # At the edges the filters see a mirror image.
    inside[:: rows - 1] = inside[:, :: columns - 1] = False
    if inside.sum() < MIN_BLOCKS:
        return None
    channels = np.asarray(cv2.transform(image.astype(np.float32), TO_OPPONENT), np.float32)
    variances = np.stack([_block_means(b * b)[inside] for b in _split_bands(channels, bands)], -1)
    return _flattest(variances).astype(np.float64)


def _flattest(variances: Float32Array) -> Float32Array:
    """Returns a low quantile over the blocks, `[N, …]` to `[…]`."""
    rank = int(FLATTEST * len(variances))
    return np.asarray(np.partition(variances, rank, axis=0)[rank])


def _block_means(values: Float32Array) -> Float32Array:
    """Returns means over blocks; rows and columns that do not fill a block are left out."""
    rows, columns = values.shape[0] // BLOCK, values.shape[1] // BLOCK
    inside = values[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA))


def _unmix(variances: Float64Array) -> Float64Array:
    """Returns the variances of the sheets whose sum measures nearest to the given variances.

    Filters overlap, so each sheet is also measured in other bands (`_leaks`). The solution is a
    non-negative least-squares fit by multiplicative updates.
    """
    leaks = _leaks()[: variances.shape[1], : variances.shape[1]]
    leaks = leaks / leaks.diagonal()[:, None]
    target = variances / _leaks().diagonal()[: variances.shape[1]]
    mixture = np.maximum(target, 1e-9)
    for _ in range(15):
        mixture *= (target @ leaks + 1e-9) / (mixture @ leaks.T @ leaks + 1e-9)
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
    noise = np.empty((3, height, width), np.float32)
    for top in range(-(place[1] % SHEET), height, SHEET):
        rows = slice(max(0, top), min(top + SHEET, height))
        # One plane per channel, of the rows that are needed.
        part = _sheets()[:, :, rows.start - top : rows.stop - top].reshape(3, BANDS, -1)
        planes = np.matmul(strengths[:, None], part).reshape(3, -1, SHEET)
        for left in range(-(place[0] % SHEET), width, SHEET):
            columns = slice(max(0, left), min(left + SHEET, width))
            sheet = planes[..., columns.start - left : columns.stop - left]
            np.multiply(sheet, strength[rows, columns], out=noise[:, rows, columns])
    grain = cv2.transform(cv2.merge(list(noise)), np.ascontiguousarray(TO_OPPONENT.T))
    return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U))


def grain_offset(crop: UInt8Array) -> tuple[int, int]:
    """Returns where on the sheet (x, y) the grain of a crop begins: a hash of its pixels."""
    digest = zlib.crc32(crop[::8, ::8].tobytes())
    return digest % SHEET, digest // SHEET % SHEET


def _split_bands(channels: Float32Array, count: int = BANDS) -> list[Float32Array]:
    """Splits an image into its finest frequency bands (differences of Gaussians)."""
    bands, done = [], 0.0
    for band in range(count):
        sigma = FINEST * 2.0**band
        more = (sigma**2 - done**2) ** 0.5
        side = 2 * int(np.ceil(2.5 * more)) + 1
        blurred = cv2.GaussianBlur(channels, (side, side), more)
        bands.append(channels - blurred)
        channels, done = np.asarray(blurred), sigma
    return bands


@lru_cache(maxsize=1)
def _sheets() -> Float32Array:
    """Returns noise of strength 1 by channel and band, `[3, BANDS, SHEET, SHEET]`, tileable."""
    edge = 32
    white = np.random.default_rng(0).standard_normal((BANDS, SHEET, SHEET, 3), np.float32)
    wide = np.pad(white, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="wrap")
    made = np.stack([_split_bands(w)[band] for band, w in enumerate(wide)])[
        :, edge:-edge, edge:-edge
    ]
    return np.ascontiguousarray((made / made.std((1, 2), keepdims=True)).transpose(3, 0, 1, 2))


@lru_cache(maxsize=1)
def _leaks() -> Float64Array:
    """Returns what each band (row) measures of a sheet of strength 1 (column)."""
    measured = [
        [float(_flattest(_block_means(band * band).ravel())) for band in _split_bands(sheet)]
        for sheet in _sheets()[0]
    ]
    leaks: Float64Array = np.array(measured).T
    return leaks
