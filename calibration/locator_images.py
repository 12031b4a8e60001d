"""Calibration images of the detector and the aligner, made from the crops of a calibration set."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE, BORDER
from unmask_sdk.faces.align import CROP_EYES, CROP_SIZE, warp_crop
from unmask_sdk.faces.detector_postprocess import GRAY, TEMPLATE
from unmask_sdk.faces.tiled_detector import TILE

# Sides of a crop in the detector's images, in pixels: its face is a little more than half as large.
_SMALLEST, _LARGEST = 24, 560


def detector_images(crops: UInt8Array) -> UInt8Array:
    """Returns an image for each crop: its face at any size and place, before a blurred background.

    Args:
        crops: uint8 `[N, 256, 256, 3]`, N at least 1.

    Returns:
        uint8 `[N, 352, 352, 3]`, with the gray border that photos have.
    """
    rng = np.random.default_rng(0)
    inner = TILE - 2 * BORDER
    images = np.full((len(crops), TILE, TILE, 3), GRAY, np.uint8)
    for image, crop, other in zip(images, crops, np.roll(crops, 1, axis=0), strict=True):
        photo = cv2.GaussianBlur(cv2.resize(other, (inner, inner)), (0, 0), rng.uniform(1, 12))
        scale = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST)))) / CROP_SIZE
        x, y = rng.uniform(0, inner, 2) - scale * CROP_SIZE / 2
        cv2.warpAffine(
            crop,
            np.array([[scale, 0, x], [0, scale, y]]),
            (inner, inner),
            photo,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        image[BORDER : BORDER + inner, BORDER : BORDER + inner] = photo
    return images


def aligner_images(crops: UInt8Array) -> UInt8Array:
    """Returns each crop as the aligner sees it, placed as exactly as the detector places it.

    Args:
        crops: uint8 `[N, 256, 256, 3]`, N at least 1.

    Returns:
        uint8 `[N, 112, 112, 3]`.
    """
    rng = np.random.default_rng(0)
    eyes, target = CROP_EYES.mean(0), TEMPLATE[:2].mean(0) * ALIGN_SIZE
    closer = ALIGN_SIZE * np.ptp(TEMPLATE[:2, 0]) / np.ptp(CROP_EYES[:, 0])
    images = []
    for crop in crops:
        scale = closer * float(np.exp(rng.normal(0, 0.08)))
        turn = cv2.getRotationMatrix2D(eyes.tolist(), float(rng.normal(0, 10)), scale)
        matrix = np.asarray(turn, np.float64)
        matrix[:, 2] += target - eyes + rng.normal(0, 4, 2)
        images.append(warp_crop(crop, matrix, ALIGN_SIZE))
    return np.stack(images)
