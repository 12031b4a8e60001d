"""Pictures for a report: beside each other, and where they differ."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array

# A difference of fewer steps of 255 than this does not light up in full.
LEAST_SCALE = 4


def heat_map(a: UInt8Array, b: UInt8Array) -> tuple[UInt8Array, int]:
    """Shows where two pictures differ.

    Args:
        a: uint8 `[H, W, 3]`.
        b: uint8 `[H, W, 3]`.

    Returns:
        uint8 `[H, W, 3]` RGB, black where they are the same; and the difference, of 255, that is
        shown at its brightest.
    """
    error = np.abs(np.subtract(a, b, dtype=np.int16)).max(-1)
    scale = max(LEAST_SCALE, int(error.max()))
    coloured = cv2.applyColorMap((error * (255 / scale)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(coloured[..., ::-1], np.uint8), scale


def data_url(picture: UInt8Array) -> str:
    """A picture as text that an HTML file can hold: lossless, so that small errors are seen."""
    _, png = cv2.imencode(".png", picture[..., ::-1])
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")
