"""Holds the fill of a face still in crop coordinates, where the scene does not move.

What a network paints under a mask changes a little with every change of its input, camera noise
included. Fill and mask are averaged over the last frames; the average remembers what input it was
made from, and wherever the present input differs from that by more than noise, it gives way to the
present fill. So what moves is never late.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, UInt8Array

# The share of the present frame in the average where nothing moves.
STILL_WEIGHT = 0.15
# Difference of the input, of 255 and averaged over a cell and its neighbours, from which on the
# average is dropped. Noise of standard deviation 3 differs by 0.3 on that scale.
MOTION_THRESHOLD = 5.0
# Movement is looked for in so many cells a side, and spreads so many cells round itself: a plain
# mask shows that it moves at its rim alone.
_CELLS, _SPREAD = 64, 11


class FillSmoother:
    """The fill and the mask of one face, from frame to frame."""

    def __init__(self) -> None:
        self._input: Float32Array | None = None
        self._fill: Float32Array = np.empty(0, np.float32)
        self._mask: Float32Array = np.empty(0, np.float32)

    def update(
        self, original: UInt8Array, unmasked: UInt8Array, mask: UInt8Array
    ) -> tuple[UInt8Array, UInt8Array]:
        """Takes the next frame's crop.

        Args:
            original: uint8 `[S, S, 3]`, the crop as it was.
            unmasked: uint8 `[S, S, 3]`, what the network made of it.
            mask: uint8 `[S, S]`, the mask that it found.

        Returns:
            The fill and the mask to paste, of the same types and shapes. Where that mask is 0 the
            fill is `original` bit for bit.
        """
        seen = _cells(original)
        if self._input is None:
            self._input = seen
            self._fill, self._mask = unmasked.astype(np.float32), mask.astype(np.float32)
            return unmasked, mask
        moved = np.abs(cv2.blur(seen - self._input, (3, 3))).max(2)
        share = np.clip(
            cv2.dilate(moved, np.ones((_SPREAD, _SPREAD))) / MOTION_THRESHOLD, STILL_WEIGHT, 1
        )
        share = np.asarray(cv2.blur(share, (5, 5)), np.float32)
        self._input += share[..., None] * (seen - self._input)
        fine = np.asarray(cv2.resize(share, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))
        self._fill += fine[..., None] * (unmasked - self._fill)
        self._mask += fine * (mask - self._mask)
        calm = np.rint(self._mask).astype(np.uint8)
        fill = np.rint(self._fill).astype(np.uint8)
        return np.where(calm[..., None] > 0, fill, original), calm


def _cells(crop: UInt8Array) -> Float32Array:
    cells = cv2.resize(crop, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)
