"""Synthetic images of masked faces: inputs of golden vectors and of the parity measurement.

They show no real person, need no file, and are the same for the same seed. They are similar enough
to a photograph for the networks to find a mask in them, so every branch of the graph is used.
"""

from __future__ import annotations

import numpy as np

from .arrays import Float64Array, UInt8Array


def draw_masked_faces(count: int, height: int, width: int, seed: int = 0) -> UInt8Array:
    """Draws images with one masked face each, the eyes where the canonical crop has them.

    Args:
        count: Number of images.
        height: Height in pixels.
        width: Width in pixels.
        seed: The same seed gives the same images; image k does not depend on `count`.

    Returns:
        uint8 `[count, height, width, 3]` RGB.
    """
    images = [_draw_face(np.random.default_rng((seed, k)), height, width) for k in range(count)]
    return np.stack(images) if images else np.zeros((0, height, width, 3), np.uint8)


def _draw_face(rng: np.random.Generator, height: int, width: int) -> UInt8Array:
    side = min(height, width)
    y, x = np.mgrid[:height, :width] + 0.5
    # Face coordinates: 0..1 over the largest centered square.
    y, x = (y - (height - side) / 2) / side, (x - (width - side) / 2) / side
    soft = 1.5 / side

    gradient = rng.uniform(-1, 1, 2)
    image = rng.uniform(40, 200, 3) + 40.0 * (gradient[0] * x + gradient[1] * y)[..., None]
    light = 0.85 + 0.3 * np.exp(-((x - rng.uniform(0.35, 0.65)) ** 2 + (y - 0.35) ** 2) / 0.08)
    skin = np.array([205.0, 160.0, 130.0]) * rng.uniform(0.45, 1.1)
    hair = rng.uniform(15, 90, 3)

    image = _over(image, hair, _ellipse(x, y, 0.5, 0.40, 0.34, 0.38, soft))
    image = _over(image, skin * 0.8, _ellipse(x, y, 0.5, 0.95, 0.20, 0.30, soft))
    image = _over(image, skin * light[..., None], _ellipse(x, y, 0.5, 0.52, 0.28, 0.38, soft))
    for eye in (98.5 / 256, 158.5 / 256):
        image = _over(image, hair, _ellipse(x, y, eye, 0.375, 0.065, 0.014, soft))
        image = _over(image, np.array([225.0] * 3), _ellipse(x, y, eye, 0.44, 0.045, 0.022, soft))
        image = _over(image, np.array([45.0] * 3), _ellipse(x, y, eye, 0.44, 0.02, 0.02, soft))

    top = rng.uniform(0.53, 0.60) + 0.5 * (x - 0.5) ** 2
    mask = _ellipse(x, y, 0.5, 0.70, 0.29, 0.23, soft) * _step(y - top, soft)
    fabric = rng.uniform(60, 235, 3) * (0.92 + 0.08 * np.sin(2 * np.pi * 14 * y))[..., None]
    image = _over(image, fabric * light[..., None], mask)
    image += rng.normal(0.0, 1.5, (height, width, 1))
    pixels: UInt8Array = image.clip(0, 255).round().astype(np.uint8)
    return pixels


def _step(distance: Float64Array, soft: float) -> Float64Array:
    return np.clip(0.5 + distance / soft, 0.0, 1.0)


def _ellipse(
    x: Float64Array, y: Float64Array, cx: float, cy: float, rx: float, ry: float, soft: float
) -> Float64Array:
    radius = np.hypot((x - cx) / rx, (y - cy) / ry)
    return _step((1.0 - radius) * min(rx, ry), soft)


def _over(below: Float64Array, color: Float64Array, alpha: Float64Array) -> Float64Array:
    """Composites a color over an image."""
    return below + (color - below) * alpha[..., None]
