"""Grain: noise for a fill, of the strength and the reach that the photo has round it.

A network paints smoothly, and a crop holds no more detail than its pixels. What a photo shows
beyond that, noise of the sensor and of compression and the fine texture of skin, is measured on the
part of the face that stays, and the fill is given what it lacks of it.

Noise is described in bands of an octave each, and in three colours that it keeps apart, one of
brightness and two of hue: the bands' strengths together say how far its grains reach. The grains
come from a fixed sheet of noise, laid on at a place that depends on the fill alone, so that a photo
gives the same result every time.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

# From RGB to brightness and two hues; orthonormal, so that its transpose leads back.
TO_OPPONENT = np.array(
    [[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], np.float32
)
# Octaves, the finest first: what blurs of 0.8, 1.6 and 3.2 pixels take away.
BANDS = 3
FINEST = 0.8
# Noise is averaged over squares of so many pixels a side; fewer squares than this tell nothing.
BLOCK = 8
MIN_BLOCKS = 12
# Of the squares, this share is taken to be flat.
FLATTEST = 0.15
# Of 255: weaker noise cannot be seen, and stronger is structure that was taken for noise.
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
        kept: float32 `[H, W]`, 1 where the photo shows the face and stays.
        fill: uint8 `[h, w, 3]`, at the photo's resolution.
        filled: float32 `[h, w]`, 1 where it hides the photo.
        bands: How many bands are noise; in a small face the coarser ones are features.

    Returns:
        float32 `[3, BANDS]`, strengths (standard deviations, of 255) by opponent colour and band;
        None if the fill lacks nothing that could be seen, or too little of the face is there to
        measure.
    """
    there = measure_noise(photo, kept, bands)
    here = None if there is None else measure_noise(fill, filled, bands)
    if there is None or here is None:
        return None
    # Noise does not grow with its reach: what does is the shape of the face.
    there = np.minimum.accumulate(there, 1)
    wanted = _mixture(np.maximum(there - here, 0))
    strengths = np.zeros((3, BANDS), np.float32)
    strengths[:, :bands] = np.sqrt(np.minimum(wanted, STRONGEST**2))
    strengths[strengths < FAINT] = 0
    return strengths if strengths.any() else None


def measure_noise(picture: UInt8Array, where: Float32Array, bands: int) -> Float64Array | None:
    """Measures noise where a place is flattest: all else may be hair, lashes and folds.

    Args:
        picture: uint8 `[H, W, 3]`.
        where: float32 `[H, W]`, 1 where to look.
        bands: How many bands to measure, the finest first.

    Returns:
        float64 `[3, bands]`, variances by opponent colour and band; None if the place is small.
    """
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    if min(rows, columns) < 3:
        return None
    whole = _means(where) > 0.999
    # At the edges the filters see a mirror image.
    whole[:: rows - 1] = whole[:, :: columns - 1] = False
    if whole.sum() < MIN_BLOCKS:
        return None
    colours = np.asarray(cv2.transform(picture.astype(np.float32), TO_OPPONENT), np.float32)
    squares = np.stack([_means(b * b)[whole] for b in _split(colours, bands)], -1)
    return _flattest(squares).astype(np.float64)


def _flattest(squares: Float32Array) -> Float32Array:
    rank = int(FLATTEST * len(squares))
    return np.asarray(np.partition(squares, rank, axis=0)[rank])


def _means(values: Float32Array) -> Float32Array:
    """Means over squares; what does not fill a square is left out."""
    rows, columns = values.shape[0] // BLOCK, values.shape[1] // BLOCK
    inside = values[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA))


def _mixture(variances: Float64Array) -> Float64Array:
    """Gives the sheets' variances that, mixed, measure nearest to those given: none below 0."""
    leaks = _leaks()[: variances.shape[1], : variances.shape[1]]
    leaks = leaks / leaks.diagonal()[:, None]
    target = variances / _leaks().diagonal()[: variances.shape[1]]
    mixture = np.maximum(target, 1e-9)
    for _ in range(15):
        mixture *= (target @ leaks + 1e-9) / (mixture @ leaks.T @ leaks + 1e-9)
    return mixture


def add_grain(
    picture: UInt8Array, opacity: Float32Array, strengths: Float32Array, place: tuple[int, int]
) -> UInt8Array:
    """Gives a picture with grain.

    Args:
        picture: uint8 `[H, W, 3]`, the fill blended into the photo.
        opacity: float32 `[H, W]`, 0..1, how much of each pixel is fill.
        strengths: From `lacking`.
        place: Which pixel (x, y) of the endless sheet comes first.
    """
    height, width = picture.shape[:2]
    # Where photo and fill mix, the photo brings some noise of its own; variances add up.
    strength = np.sqrt(opacity * (2 - opacity))
    laid = np.empty((3, height, width), np.float32)
    for top in range(-(place[1] % SHEET), height, SHEET):
        rows = slice(max(0, top), min(top + SHEET, height))
        # One plane a colour, of the rows that are needed.
        part = _sheets()[:, :, rows.start - top : rows.stop - top].reshape(3, BANDS, -1)
        planes = np.matmul(strengths[:, None], part).reshape(3, -1, SHEET)
        for left in range(-(place[0] % SHEET), width, SHEET):
            columns = slice(max(0, left), min(left + SHEET, width))
            sheet = planes[..., columns.start - left : columns.stop - left]
            np.multiply(sheet, strength[rows, columns], out=laid[:, rows, columns])
    grain = cv2.transform(cv2.merge(list(laid)), np.ascontiguousarray(TO_OPPONENT.T))
    return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U))


def grain_offset(crop: UInt8Array) -> tuple[int, int]:
    """Where on the sheet the grain of a crop begins: anywhere, but always at the same place."""
    digest = zlib.crc32(crop[::8, ::8].tobytes())
    return digest % SHEET, digest // SHEET % SHEET


def _split(colours: Float32Array, count: int = BANDS) -> list[Float32Array]:
    """Takes the bands off a picture one by one, and gives them."""
    bands, done = [], 0.0
    for band in range(count):
        sigma = FINEST * 2.0**band
        more = (sigma**2 - done**2) ** 0.5
        side = 2 * int(np.ceil(2.5 * more)) + 1
        blurred = cv2.GaussianBlur(colours, (side, side), more)
        bands.append(colours - blurred)
        colours, done = np.asarray(blurred), sigma
    return bands


@lru_cache(maxsize=1)
def _sheets() -> Float32Array:
    """Noise of strength 1 by colour and band, `[3, BANDS, SHEET, SHEET]`; its edges meet."""
    edge = 32
    white = np.random.default_rng(0).standard_normal((BANDS, SHEET, SHEET, 3), np.float32)
    wide = np.pad(white, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="wrap")
    made = np.stack([_split(w)[band] for band, w in enumerate(wide)])[:, edge:-edge, edge:-edge]
    return np.ascontiguousarray((made / made.std((1, 2), keepdims=True)).transpose(3, 0, 1, 2))


@lru_cache(maxsize=1)
def _leaks() -> Float64Array:
    """What each band (row) measures of a sheet of strength 1 (column): filters overlap."""
    seen = [
        [float(_flattest(_means(band * band).ravel())) for band in _split(sheet)]
        for sheet in _sheets()[0]
    ]
    leaks: Float64Array = np.array(seen).T
    return leaks
