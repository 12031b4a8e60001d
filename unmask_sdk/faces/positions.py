"""Finds faces in a photo that lies on its side or upside down, without EXIF that reports it."""

from __future__ import annotations

import math

import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array

from .locator import Location, Locator

# How the photo lies, by the number of `np.rot90` that turn it upright.
_LIES = {1: "on its right side", 3: "on its left side", 2: "upside down"}

# Least likelihood of a face in another position. Of 225 upright photos of masked faces 210 reach
# it; photos of a cat, a page and coins stay below 4. Upside down, one photo of a face that is
# missed upright reaches it too: the forehead is taken for a mask.
MIN_LIKELIHOOD = 5.0


def locate_in_positions(image: UInt8Array, locator: Locator) -> tuple[list[Location], str | None]:
    """Finds faces; if there are none, also with the photo turned by 90, 180 and 270 degrees.

    What is found as the photo lies is never given up for another position: in seven of eight photos
    that are upside down the locator finds a face too, as if it were upright, in one of ten with a
    higher likelihood than in the upright photo, and by up to 4.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        locator: Finds upright faces.

    Returns:
        The faces of the most likely position, in coordinates of `image`, and a sentence that
        reports it if the photo was turned, otherwise `None`.
    """
    upright = locator(image)
    if upright:
        return upright, None
    found: dict[int, list[Location]] = {}
    likely: dict[int, float] = {}
    for turns in _LIES:
        turned = np.ascontiguousarray(np.rot90(image, turns))
        found[turns] = locator(turned)
        likely[turns] = max((_likelihood(turned, f, locator) for f in found[turns]), default=-1e9)
    best = max(likely, key=lambda turns: likely[turns])
    if likely[best] < MIN_LIKELIHOOD:
        return [], None
    note = f"faces were found only with the photo turned: it seems to lie {_LIES[best]}"
    return [_turned_back(face, image.shape[:2], best) for face in found[best]], note


def _likelihood(image: UInt8Array, face: Location, locator: Locator) -> float:
    """Returns the sum of the log odds of the aligner and of the detector."""
    aligned = locator.align(image, face.box).score
    odds = [min(max(value, 1e-6), 1 - 1e-6) for value in (aligned, face.score**2 / aligned)]
    return sum(math.log(value / (1 - value)) for value in odds)


def _turned_back(face: Location, shape: tuple[int, ...], turns: int) -> Location:
    """Returns a face of `np.rot90(image, turns)` in coordinates of an image of this shape."""
    corners = _points_back(np.reshape(face.box, (2, 2)).astype(np.float64), shape, turns)
    (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
    return Location((x0, y0, x1, y1), _points_back(face.points, shape, turns), face.score)


def _points_back(points: Float64Array, shape: tuple[int, ...], turns: int) -> Float64Array:
    height, width = shape
    x, y = points.T
    if turns == 1:
        return np.stack([width - 1 - y, x], 1)
    if turns == 2:
        return np.stack([width - 1 - x, height - 1 - y], 1)
    return np.stack([y, height - 1 - x], 1)
