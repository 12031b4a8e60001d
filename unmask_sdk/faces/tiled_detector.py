"""Runs a detector of fixed input size on images of any size, tile by tile.

Some formats (TFLite, Core ML) have graphs of one input shape only. Neighboring tiles overlap, and
only the inner part of each tile's maps is used, so the maps equal those of the complete image
except for the small influence of pixels outside the tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.locator_sizes import STRIDE

from .detector_postprocess import CELL, GRAY

if TYPE_CHECKING:
    from .locator import NamedRuntime


# Side of the detector's input where it is fixed. The coarse pass, the only one that most photos of
# one face need, is never larger than this.
TILE = 352
# Pixels along a tile's inner edge whose values come from the neighboring tile, which sees more
# around them. Faces larger than twice this are seen completely in the coarser pass.
EDGE = 48


class TiledDetector:
    """A detector of fixed input size behind the interface of one that takes any.

    Args:
        detector: Takes `image` uint8 `[1, size, size, 3]`; returns `heat` and `box`, see `Locator`.
        size: Side of its input in pixels, a multiple of 32.
    """

    def __init__(self, detector: NamedRuntime, size: int = TILE) -> None:
        self._detector = detector
        self._size = size

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        """Runs the detector on `image`, uint8 `[1, H, W, 3]` with sides that are multiples of 32.

        Returns:
            The maps `heat` and `box`, see `Locator`.
        """
        image = inputs["image"][0]
        height, width = image.shape[:2]
        heat = np.zeros((1, height // CELL, width // CELL), np.float32)
        box = np.zeros((*heat.shape, 4), np.float32)
        for top in _starts(height, self._size):
            for left in _starts(width, self._size):
                maps = self._detector.run_named(image=self._tile(image, top, left))
                r0, r1 = _inner(top, height, self._size)
                c0, c1 = _inner(left, width, self._size)
                y, x = top // CELL, left // CELL
                heat[:, r0:r1, c0:c1] = maps["heat"][:, r0 - y : r1 - y, c0 - x : c1 - x]
                box[:, r0:r1, c0:c1] = maps["box"][:, r0 - y : r1 - y, c0 - x : c1 - x]
        return {"heat": heat, "box": box}

    def _tile(self, image: AnyArray, top: int, left: int) -> AnyArray:
        tile = np.full((1, self._size, self._size, 3), GRAY, np.uint8)
        part = image[top : top + self._size, left : left + self._size]
        tile[0, : part.shape[0], : part.shape[1]] = part
        return tile


def _starts(length: int, size: int) -> list[int]:
    """Returns where tiles begin along one side: evenly, at multiples of the detector's stride."""
    if length <= size:
        return [0]
    count = -(-(length - 2 * EDGE) // (size - 2 * EDGE))
    return [round(i * (length - size) / (count - 1) / STRIDE) * STRIDE for i in range(count)]


def _inner(start: int, length: int, size: int) -> tuple[int, int]:
    """Returns the range of cells that a tile fills; later tiles overwrite earlier ones."""
    low = 0 if start == 0 else start + EDGE
    high = length if start + size >= length else start + size - EDGE
    return low // CELL, high // CELL
