"""A black-and-white photo gets a black-and-white fill."""

from __future__ import annotations

import numpy as np

from unmask_sdk.core.arrays import UInt8Array

# A crop whose channels differ by at most this much is black and white.
MAX_CHANNEL_DIFFERENCE = 2
# Weights of R, G and B in luma (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


def is_grayscale(crop: UInt8Array) -> bool:
    """Returns whether a crop, uint8 `[S, S, 3]` RGB, is black and white."""
    # Most crops are not, and a few pixels show it.
    return (
        _channel_difference(crop[::16, ::16]) <= MAX_CHANNEL_DIFFERENCE
        and _channel_difference(crop) <= MAX_CHANNEL_DIFFERENCE
    )


def grayscale_fill(original: UInt8Array, unmasked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Returns a black-and-white crop without color where it was generated.

    Args:
        original: uint8 `[S, S, 3]` RGB, the crop before.
        unmasked: uint8 `[S, S, 3]` RGB, the crop with the generated fill.
        mask: uint8 `[S, S]`, above 0 where the crop was generated.
    """
    luma = np.rint(unmasked @ np.array(LUMA)).astype(np.uint8)[..., None]
    return np.where(mask[..., None] > 0, luma, original)


def _channel_difference(crop: UInt8Array) -> int:
    red, green, blue = (crop[..., i].astype(np.int16) for i in range(3))
    return max(int(np.abs(red - green).max()), int(np.abs(green - blue).max()))
