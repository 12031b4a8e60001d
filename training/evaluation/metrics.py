"""Fidelity metrics of one crop; everything counts valid pixels only."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from unmask_sdk.core.arrays import BoolArray, Float64Array, UInt8Array

# Half the width of the band around the mask's edge in which the seam is measured, in pixels.
SEAM_BAND = 8
# Sharpness is measured this far inside the hole, in pixels of a 256 px crop, on this many at least.
SHARPNESS_MARGIN = 4
SHARPNESS_PIXELS = 100


@dataclass(frozen=True)
class Fidelity:
    """Distance of a crop to its truth.

    Attributes:
        psnr: Full crop, dB.
        ssim: Full crop, 0..1 (Gaussian window of sigma 1.5, mean over RGB).
        l1: Full crop, mean absolute error, 0..255.
        hole_psnr: Inside the true mask, dB.
        hole_ssim: Inside the true mask, 0..1.
        hole_l1: Inside the true mask, 0..255.
        seam_l1: Within 8 px of the true mask's edge, on both sides, 0..255.
    """

    psnr: float
    ssim: float
    l1: float
    hole_psnr: float
    hole_ssim: float
    hole_l1: float
    seam_l1: float


def psnr(squared_error: float) -> float:
    """Returns the peak signal-to-noise ratio in dB of a mean squared error on the 0..1 scale."""
    return float(-10 * np.log10(max(squared_error, 1e-10)))


def seam(mask: UInt8Array) -> BoolArray:
    """Returns where a pixel is within `SEAM_BAND` pixels of the edge of a mask, bool `[H, W]`."""
    inside = (mask > 127).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SEAM_BAND + 1, 2 * SEAM_BAND + 1))
    return np.asarray(cv2.dilate(inside, kernel) > cv2.erode(inside, kernel))


def compare(image: UInt8Array, truth: UInt8Array, mask: UInt8Array, valid: UInt8Array) -> Fidelity:
    """Compares a crop with its truth.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        truth: uint8 `[H, W, 3]` RGB.
        mask: uint8 `[H, W]`, the true coverage of the mask, 0..255.
        valid: uint8 `[H, W]`, 255 where the source image has data.
    """
    everywhere = (valid > 127).astype(np.float64)
    error = (image.astype(np.float64) - truth) / 255
    squared, absolute = (error**2).mean(-1), np.abs(error).mean(-1)
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image
        image, truth, channel_axis=-1, data_range=255, full=True, gaussian_weights=True
    )
    similarity = similarity.mean(-1)

    def mean(values: Float64Array, weight: Float64Array) -> float:
        return float((values * weight).sum() / max(weight.sum(), 1e-9))

    hole = everywhere * mask / 255
    return Fidelity(
        psnr=psnr(mean(squared, everywhere)),
        ssim=mean(similarity, everywhere),
        l1=255 * mean(absolute, everywhere),
        hole_psnr=psnr(mean(squared, hole)),
        hole_ssim=mean(similarity, hole),
        hole_l1=255 * mean(absolute, hole),
        seam_l1=255 * mean(absolute, everywhere * seam(mask)),
    )


def intersection_over_union(predicted: UInt8Array, mask: UInt8Array, valid: UInt8Array) -> float:
    """Returns the IoU of two masks, each thresholded at one half, over valid pixels.

    It is 1 if both are empty.
    """
    a, b = (predicted > 127) & (valid > 127), (mask > 127) & (valid > 127)
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def sharpness(
    image: UInt8Array, truth: UInt8Array, mask: UInt8Array, valid: UInt8Array
) -> float | None:
    """Returns how sharp the hole is compared with the truth: 1 is as sharp, 0 is flat.

    It is the variance of the gray image's Laplacian inside the eroded hole, over that of the truth.

    Args:
        image: uint8 `[S, S, 3]` RGB.
        truth: uint8 `[S, S, 3]` RGB.
        mask: uint8 `[S, S]`, the true coverage of the mask, 0..255.
        valid: uint8 `[S, S]`, 255 where the source image has data.

    Returns:
        The ratio; `None` if the hole is too small to measure, or the truth is flat there.
    """
    scale = len(mask) / 256
    side = 2 * max(1, round(SHARPNESS_MARGIN * scale)) + 1
    hole = ((mask > 127) & (valid > 127)).astype(np.uint8)
    inside = cv2.erode(hole, np.ones((side, side), np.uint8)) > 0
    if inside.sum() <= SHARPNESS_PIXELS * scale**2:
        return None
    of_image, of_truth = (
        cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), cv2.CV_32F)[
            inside
        ].var()
        for pixels in (image, truth)
    )
    return float(of_image / of_truth) if of_truth > 0 else None
