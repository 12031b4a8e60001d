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
# Pixels by which the part of a crop that is averaged grows and shrinks.
_STEP = 16

# Rows and columns.
Box = tuple[slice, slice]


class FillSmoother:
    """Smooths the fill and the mask of one face over the frames."""

    def __init__(self) -> None:
        self._input: Float32Array | None = None
        self._fill: Float32Array = np.empty(0, np.float32)
        self._mask: Float32Array = np.empty(0, np.float32)
        self._box: Box = (slice(0), slice(0))

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
            self._input, self._box = current, _covered(mask)
            self._fill, self._mask = unmasked.astype(np.float32), mask.astype(np.float32)
            return unmasked, mask
        share = _motion_share(current, self._input)
        self._input += share[..., None] * (current - self._input)
        # Elsewhere nothing is filled: on average half of the crop.
        box = _covered(((mask > 0) | (self._mask > 0.5)).view(np.uint8))
        if not mask[box].size:
            self._box = box
            return original.copy(), mask.copy()
        if box != self._box:
            # What was not averaged lately begins with this frame.
            kept = self._fill[self._box].copy()
            self._fill[box] = unmasked[box]
            self._fill[self._box] = kept
            self._box = box
        fine = np.asarray(cv2.resize(share, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))[box]
        # One weight for each value: NumPy repeats weights along a short last axis slowly.
        step = np.subtract(unmasked[box], self._fill[box])
        step *= cv2.merge([fine, fine, fine])
        self._fill[box] += step
        self._mask[box] += fine * (mask[box] - self._mask[box])
        smooth_mask = np.zeros_like(mask)
        smooth_mask[box] = np.rint(self._mask[box])
        fill = original.copy()
        filled = np.rint(self._fill[box], out=step).astype(np.uint8)
        cv2.copyTo(filled, smooth_mask[box], fill[box])
        return fill, smooth_mask


def _motion_share(current: Float32Array, average: Float32Array) -> Float32Array:
    """Returns the weight of the current frame in each cell, float32 `[64, 64]`."""
    red, green, blue = cv2.split(np.abs(cv2.blur(current - average, (3, 3))))
    moved = cv2.max(cv2.max(red, green), blue)
    share = np.clip(
        cv2.dilate(moved, np.ones((_SPREAD, _SPREAD))) / MOTION_THRESHOLD, STILL_WEIGHT, 1
    )
    return np.asarray(cv2.blur(share, (5, 5)), np.float32)


def _covered(mask: UInt8Array) -> Box:
    """Returns rows and columns of the part of a crop that holds a mask, in whole steps."""
    left, top, width, height = cv2.boundingRect(mask)
    rows, columns = (
        slice(start // _STEP * _STEP, -(-(start + length) // _STEP) * _STEP)
        for start, length in ((top, height), (left, width))
    )
    return rows, columns


def _cells(crop: UInt8Array) -> Float32Array:
    cells = cv2.resize(crop, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)
