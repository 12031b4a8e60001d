"""Draws backgrounds and puts them behind a person, before a mask is drawn.

Most photos that faces are collected from have busy backgrounds; passport photos, studio portraits
and video calls have white, gray or blurred ones.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .cut_out import CutOut
from .lighting import noise_level

KINDS = ("white", "light gray", "gray", "gradient", "other", "own")
ODDS = (0.27, 0.15, 0.1, 0.2, 0.18, 0.1)


def _tint(value: float, rng: np.random.Generator, spread: float) -> Float64Array:
    """Draws a color near a gray, `[3]` RGB on the 0..255 scale."""
    color: Float64Array = np.clip(value + rng.normal(0, spread, 3), 0, 255)
    return color


def _gradient(
    shape: tuple[int, int], start: Float64Array, end: Float64Array, rng: np.random.Generator
) -> Float32Array:
    """Draws a smooth change between two colors, across the image or around a spot of light."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        t = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle) + 0.5
    else:
        cx, cy = rng.uniform(0.2, 0.8) * width, rng.uniform(0.1, 0.7) * height
        t = np.hypot(x - cx, y - cy) / (rng.uniform(0.6, 1.1) * max(height, width))
    t = np.clip(t, 0, 1)[..., None].astype(np.float32)
    field: Float32Array = (start * (1 - t) + end * t).astype(np.float32)
    return field


def draw_background(
    kind: str, cut: CutOut, other: UInt8Array, rng: np.random.Generator
) -> Float32Array:
    """Draws a background, float32 `[H, W, 3]` on the 0..255 scale.

    Args:
        kind: One of `KINDS`.
        cut: The person that stands before it.
        other: Another image of the set, uint8 `[H', W', 3]`.
        rng: Source of randomness.
    """
    height, width = cut.alpha.shape
    shape = (height, width)
    if kind in ("other", "own"):
        source = (
            cut.background
            if kind == "own"
            else cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        )
        sigma = rng.uniform(0.02, 0.09) * max(shape)
        blurred = cv2.GaussianBlur(source, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred * rng.uniform(0.8, 1.15), np.float32)
    if kind == "white":
        start = _tint(rng.uniform(246, 256), rng, 1.5)
        end = start - rng.uniform(0, 14)
    elif kind == "light gray":
        start = _tint(rng.uniform(205, 240), rng, 4)
        end = start - rng.uniform(0, 25)
    elif kind == "gray":
        start = _tint(rng.uniform(60, 200), rng, 5)
        end = start * rng.uniform(0.75, 1.0)
    else:
        start = _tint(rng.uniform(70, 225), rng, 22)
        end = np.clip(start * rng.uniform(0.35, 0.9) + rng.normal(0, 8, 3), 0, 255)
    return _gradient(shape, start, end, rng)


def exchange_background(
    image: UInt8Array, cut: CutOut, other: UInt8Array, seed: int, kind: str | None = None
) -> UInt8Array:
    """Returns an image with another background, uint8 `[H, W, 3]`.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        cut: The person in it.
        other: Another image of the set, which may be blurred and put behind the person.
        seed: Same arguments and seed, same result.
        kind: One of `KINDS`; `None` draws one.
    """
    rng = np.random.default_rng((seed, 7))
    kind = kind or KINDS[rng.choice(len(KINDS), p=ODDS)]
    background = draw_background(kind, cut, other, rng)
    height, width = cut.alpha.shape
    # As noisy as the image: a perfectly clean background would give the exchange away.
    noise = rng.normal(0, noise_level(image, (0, 0, width, height)) + 0.3, (height, width, 1))
    return cut.before(background + noise.astype(np.float32))
