"""The fixed sheet of noise from which grain is made, and how an image is split into its bands.

The package for the web (`web/src/compositing/noise_sheet.js`) makes the same sheet, so that a photo
gets the same grain there. NumPy's generators are not used: their numbers have no specification.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float32Array

# Octaves, the finest first: what Gaussian blurs with a sigma of 0.8, 1.6 and 3.2 pixels remove.
BANDS = 3
FINEST = 0.8
# Side of the sheet of noise in pixels.
SHEET = 256
# Pixels around the sheet, so that it can be tiled.
_EDGE = 32
# Words of four random bytes whose sum is one value.
_WORDS = 3


@lru_cache(maxsize=1)
def noise_sheets() -> Float32Array:
    """Returns noise of strength 1 by channel and band, `[3, BANDS, SHEET, SHEET]`, tileable."""
    sheets = np.empty((3, BANDS, SHEET, SHEET), np.float32)
    # One band at a time: the bytes that are added up take many times the memory of the sheets.
    for band in range(BANDS):
        white = white_noise((SHEET, SHEET, 3), band * SHEET * SHEET * 3)
        wide = np.pad(white, ((_EDGE, _EDGE), (_EDGE, _EDGE), (0, 0)), mode="wrap")
        made = split_bands(wide)[band][_EDGE:-_EDGE, _EDGE:-_EDGE]
        sheets[:, band] = (made / made.std((0, 1), keepdims=True)).transpose(2, 0, 1)
    return sheets


def white_noise(shape: tuple[int, ...], start: int = 0) -> Float32Array:
    """Returns near-normal values of variance 1, whose bits come from a hash of their place.

    Each is the sum of twelve random bytes.

    Args:
        shape: Of the result.
        start: Place of the first value.
    """
    first, last = start * _WORDS, (start + int(np.prod(shape))) * _WORDS
    bits = _hash(np.arange(first, last, dtype=np.uint32))
    values = bits.view(np.uint8).reshape(*shape, 4 * _WORDS)
    count = values.shape[-1]
    # The mean of a byte is 127.5, its variance 65535 / 12.
    centered = values.sum(-1, dtype=np.int32) - 127.5 * count
    return np.asarray(centered / np.sqrt(count * 65535 / 12), np.float32)


def _hash(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Returns 32 bits that look random for each word, in place.

    Source: Chris Wellons, *Prospecting for Hash Functions*, lowbias32.
    """
    words ^= words >> 16
    words *= np.uint32(0x7FEB352D)
    words ^= words >> 15
    words *= np.uint32(0x846CA68B)
    words ^= words >> 16
    return words


def split_bands(image: Float32Array, count: int = BANDS) -> list[Float32Array]:
    """Splits an image into its finest frequency bands (differences of Gaussians).

    Args:
        image: float32 `[H, W]` or `[H, W, C]`.
        count: Number of bands.

    Returns:
        The bands, the finest first, each of the image's shape.
    """
    bands, done = [], 0.0
    for band in range(count):
        sigma = FINEST * 2.0**band
        more = (sigma**2 - done**2) ** 0.5
        side = 2 * int(np.ceil(2.5 * more)) + 1
        blurred = cv2.GaussianBlur(image, (side, side), more)
        bands.append(image - blurred)
        image, done = np.asarray(blurred), sigma
    return bands
