"""A black-and-white photo gets a black-and-white fill."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array

# A face is black and white if the channels of all but a few of its pixels differ by at most this
# much: JPEG gives gray pixels a little color.
MAX_CHANNEL_DIFFERENCE = 8
MAX_COLORED_SHARE = 0.02
# The part of a crop's width and height, on each side, that is not the face: there may be text.
MARGIN = 0.2
# Weights of R, G and B in luma (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


def is_grayscale(crop: UInt8Array) -> bool:
    """Returns whether the face of a crop, uint8 `[S, S, 3]` RGB, is black and white."""
    margin = round(MARGIN * len(crop))
    face = crop[margin:-margin, margin:-margin]
    most = MAX_COLORED_SHARE * face.shape[0] * face.shape[1]
    # A quarter of the rows is nearly always enough to see that it is not.
    return bool(_colored(face[::4]) <= most and _colored(face) <= most)


def _colored(face: UInt8Array) -> int:
    """Returns the number of pixels that have a color."""
    # A tenth of the time that NumPy takes along a short last axis.
    red, green, blue = cv2.split(face)
    difference = cv2.max(cv2.absdiff(red, green), cv2.absdiff(green, blue))
    return int(np.count_nonzero(np.asarray(difference) > MAX_CHANNEL_DIFFERENCE))


def grayscale_fill(original: UInt8Array, unmasked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Returns a black-and-white crop without color where it was generated.

    Args:
        original: uint8 `[S, S, 3]` RGB, the crop before.
        unmasked: uint8 `[S, S, 3]` RGB, the crop with the generated fill.
        mask: uint8 `[S, S]`, above 0 where the crop was generated.
    """
    luma = np.rint(unmasked @ np.array(LUMA)).astype(np.uint8)[..., None]
    return np.where(mask[..., None] > 0, luma, original)
