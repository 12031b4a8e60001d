"""Drawn pictures of masked faces, the inputs of golden vectors and of the parity measurement.

They show nobody, need no file, and come out the same from the same seed. They are close enough to
a photograph for the networks to find a mask in them, so every branch of the graph is at work.
"""

from __future__ import annotations

import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array


def draw_masked_faces(count: int, height: int, width: int, seed: int = 0) -> UInt8Array:
    """Draws pictures with one masked face each, the eyes where the canonical crop has them.

    Args:
        count: Number of pictures.
        height: Pixels.
        width: Pixels.
        seed: Same seed, same pictures; picture k does not depend on `count`.

    Returns:
        uint8 `[count, height, width, 3]` RGB.
    """
    pictures = [_face(np.random.default_rng((seed, k)), height, width) for k in range(count)]
    return np.stack(pictures) if pictures else np.zeros((0, height, width, 3), np.uint8)


def _face(rng: np.random.Generator, height: int, width: int) -> UInt8Array:
    side = min(height, width)
    y, x = np.mgrid[:height, :width] + 0.5
    # Face coordinates: 0..1 over the largest centred square.
    y, x = (y - (height - side) / 2) / side, (x - (width - side) / 2) / side
    soft = 1.5 / side

    tilt = rng.uniform(-1, 1, 2)
    picture = rng.uniform(40, 200, 3) + 40.0 * (tilt[0] * x + tilt[1] * y)[..., None]
    light = 0.85 + 0.3 * np.exp(-((x - rng.uniform(0.35, 0.65)) ** 2 + (y - 0.35) ** 2) / 0.08)
    skin = np.array([205.0, 160.0, 130.0]) * rng.uniform(0.45, 1.1)
    hair = rng.uniform(15, 90, 3)

    picture = _over(picture, hair, _ellipse(x, y, 0.5, 0.40, 0.34, 0.38, soft))
    picture = _over(picture, skin * 0.8, _ellipse(x, y, 0.5, 0.95, 0.20, 0.30, soft))
    picture = _over(picture, skin * light[..., None], _ellipse(x, y, 0.5, 0.52, 0.28, 0.38, soft))
    for eye in (98.5 / 256, 158.5 / 256):
        picture = _over(picture, hair, _ellipse(x, y, eye, 0.375, 0.065, 0.014, soft))
        picture = _over(
            picture, np.array([225.0] * 3), _ellipse(x, y, eye, 0.44, 0.045, 0.022, soft)
        )
        picture = _over(picture, np.array([45.0] * 3), _ellipse(x, y, eye, 0.44, 0.02, 0.02, soft))

    top = rng.uniform(0.53, 0.60) + 0.5 * (x - 0.5) ** 2
    mask = _ellipse(x, y, 0.5, 0.70, 0.29, 0.23, soft) * _step(y - top, soft)
    fabric = rng.uniform(60, 235, 3) * (0.92 + 0.08 * np.sin(2 * np.pi * 14 * y))[..., None]
    picture = _over(picture, fabric * light[..., None], mask)
    picture += rng.normal(0.0, 1.5, (height, width, 1))
    pixels: UInt8Array = picture.clip(0, 255).round().astype(np.uint8)
    return pixels


def _step(distance: Float64Array, soft: float) -> Float64Array:
    return np.clip(0.5 + distance / soft, 0.0, 1.0)


def _ellipse(
    x: Float64Array, y: Float64Array, cx: float, cy: float, rx: float, ry: float, soft: float
) -> Float64Array:
    radius = np.hypot((x - cx) / rx, (y - cy) / ry)
    return _step((1.0 - radius) * min(rx, ry), soft)


def _over(below: Float64Array, colour: Float64Array, cover: Float64Array) -> Float64Array:
    return below + (colour - below) * cover[..., None]
