"""Temporal smoothing of the fill: an average over the last frames where nothing moves.

What a network generates under a mask changes a little with every change of its input, including
camera noise. Fill and mask are averaged over the last frames, in crop coordinates. The average of
the inputs is kept as well: wherever the current input differs from it by more than noise, the
current fill is used. So the fill of moving parts does not lag.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, UInt8Array

# Weight of the current frame in the average where nothing moves.
STILL_WEIGHT = 0.15
# Difference of the input, of 255 and averaged over a cell and its neighbors, from which the average
# is discarded. Noise with a standard deviation of 3 gives a difference of 0.3.
MOTION_THRESHOLD = 5.0
# Motion is measured in a grid of this many cells per side, and dilated to this many cells: a plain
# mask shows its motion only at its edge.
_CELLS, _SPREAD = 64, 11


class FillSmoother:
    """Smooths the fill and the mask of one face over the frames."""

    def __init__(self) -> None:
        self._input: Float32Array | None = None
        self._fill: Float32Array = np.empty(0, np.float32)
        self._mask: Float32Array = np.empty(0, np.float32)

    def update(
        self, original: UInt8Array, unmasked: UInt8Array, mask: UInt8Array
    ) -> tuple[UInt8Array, UInt8Array]:
        """Adds the crop of the next frame.

        Args:
            original: uint8 `[S, S, 3]`, the crop before.
            unmasked: uint8 `[S, S, 3]`, the network's output.
            mask: uint8 `[S, S]`, the network's mask.

        Returns:
            The smoothed fill and mask, of the same dtypes and shapes. Where the mask is 0 the fill
            is `original` bit for bit.
        """
        current = _cells(original)
        if self._input is None:
            self._input = current
            self._fill, self._mask = unmasked.astype(np.float32), mask.astype(np.float32)
            return unmasked, mask
        red, green, blue = cv2.split(np.abs(cv2.blur(current - self._input, (3, 3))))
        moved = cv2.max(cv2.max(red, green), blue)
        share = np.clip(
            cv2.dilate(moved, np.ones((_SPREAD, _SPREAD))) / MOTION_THRESHOLD, STILL_WEIGHT, 1
        )
        share = np.asarray(cv2.blur(share, (5, 5)), np.float32)
        self._input += share[..., None] * (current - self._input)
        fine = np.asarray(cv2.resize(share, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))
        # One weight for each value: NumPy repeats weights along a short last axis slowly.
        step = np.subtract(unmasked, self._fill)
        step *= cv2.merge([fine, fine, fine])
        self._fill += step
        self._mask += fine * (mask - self._mask)
        smooth_mask = np.rint(self._mask).astype(np.uint8)
        fill = original.copy()
        cv2.copyTo(np.rint(self._fill, out=step).astype(np.uint8), smooth_mask, fill)
        return fill, smooth_mask


def _cells(crop: UInt8Array) -> Float32Array:
    cells = cv2.resize(crop, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)
