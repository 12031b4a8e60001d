"""Images for the HTML report: where two images differ."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array

# The scale ends at least here, of 255, so that smaller differences do not look large.
LEAST_SCALE = 4


def difference_map(a: UInt8Array, b: UInt8Array) -> tuple[UInt8Array, int]:
    """Draws where two images differ.

    Args:
        a: uint8 `[H, W, 3]`.
        b: uint8 `[H, W, 3]`.

    Returns:
        uint8 `[H, W, 3]` RGB, black where they are the same; and the difference, of 255, that is
        shown at its brightest.
    """
    error = np.abs(np.subtract(a, b, dtype=np.int16)).max(-1)
    scale = max(LEAST_SCALE, int(error.max()))
    colored = cv2.applyColorMap((error * (255 / scale)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(colored[..., ::-1], np.uint8), scale


def data_url(image: UInt8Array) -> str:
    """Returns an image as a data URL, lossless so that small errors are visible."""
    _, png = cv2.imencode(".png", image[..., ::-1])
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")
