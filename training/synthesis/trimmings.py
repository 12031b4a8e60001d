"""What is sewn or printed on a mask's cloth: binding, valve, emblem.

Each is a layer: its coverage, float32 `[H, W]` in 0..1 over a rectangle of the image, and its
reflectance, `[3]` RGB in 0..1. They are drawn in mean-face coordinates and so follow the face.
"""

from __future__ import annotations

import string

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array

from .mask_shapes import MIDDLE, MaskShape

Layer = tuple[Float32Array, Float64Array]

# Probability of each, by type of mask.
BINDING = {"surgical": 0.15, "cloth": 0.35, "n95": 0.1, "dark": 0.15, "scarf": 0.1}
EMBLEM = {"surgical": 0.05, "cloth": 0.2, "n95": 0.12, "dark": 0.2, "scarf": 0.05}
VALVE = {"n95": 0.35, "cloth": 0.08, "dark": 0.08}
# Pixels per mean-face unit on the canvas that emblems are drawn on.
_FINE = 4


def _gray(rng: np.random.Generator) -> Float64Array:
    """Draws white, black or a gray, as most threads and plastics are."""
    value = rng.choice([rng.uniform(0.04, 0.15), rng.uniform(0.75, 0.95), rng.uniform(0.2, 0.7)])
    gray: Float64Array = np.clip(value + rng.normal(0, 0.02, 3), 0.02, 0.97)
    return gray


def _any_color(rng: np.random.Generator) -> Float64Array:
    return _gray(rng) if rng.random() < 0.6 else rng.uniform(0.05, 0.9, 3)


def _edge(distance: Float32Array, pixel: float) -> Float32Array:
    """Returns the antialiased coverage of where `distance` (mean-face units) is positive."""
    cover: Float32Array = np.clip(distance / max(pixel, 0.4) + 0.5, 0, 1).astype(np.float32)
    return cover


def strap_color(rng: np.random.Generator) -> Float64Array | None:
    """Draws the color of the straps; `None` if they have the color of the cloth."""
    return _gray(rng) if rng.random() < 0.35 else None


def _binding(inside: Float32Array, pixel: float, rng: np.random.Generator) -> Layer:
    """Draws a border along the edge; `inside` is the distance to it in mean-face units."""
    return _edge(rng.uniform(1.2, 4.5) - inside, pixel), _any_color(rng)


def _valve(u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator) -> list[Layer]:
    """Draws a round exhalation valve: a plastic disc, its ring and its slits."""
    x = MIDDLE + rng.choice([-1, 1]) * rng.uniform(14, 30)
    y, radius = rng.uniform(168, 190), rng.uniform(7, 13)
    distance = np.hypot(u - x, v - y).astype(np.float32)
    color = _any_color(rng)
    ring = np.minimum(radius - distance, distance - 0.75 * radius)
    slits = np.minimum(0.2 * radius - np.abs((v - y) % (0.5 * radius)), 0.65 * radius - distance)
    return [
        (_edge(radius - distance, pixel), color),
        (0.6 * _edge(ring, pixel), color * 0.6),
        (0.7 * _edge(slits, pixel), color * 0.4),
    ]


def _emblem(u: Float32Array, v: Float32Array, rng: np.random.Generator) -> Layer:
    """Draws a word or an oval patch somewhere on the front."""
    wide, high = rng.uniform(14, 44), rng.uniform(6, 16)
    canvas = np.zeros((round(high * _FINE), round(wide * _FINE)), np.uint8)
    if rng.random() < 0.7:
        word = "".join(rng.choice(list(string.ascii_letters), rng.integers(2, 9)))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        thick = int(rng.integers(2, 6))
        (across, up), below = cv2.getTextSize(word, font, 1.0, thick)
        scale = min((canvas.shape[1] - 4) / across, (canvas.shape[0] - 4) / (up + below))
        base = (2, round(canvas.shape[0] - below * scale - 2))
        cv2.putText(canvas, word, base, font, scale, 255, thick, cv2.LINE_AA)
    else:
        middle = (canvas.shape[1] // 2, canvas.shape[0] // 2)
        axes = (middle[0] - 3, middle[1] - 3)
        cv2.ellipse(canvas, middle, axes, 0, 0, 360, 255, int(rng.choice([-1, 4])), cv2.LINE_AA)
    left = MIDDLE + rng.uniform(-34, 34) - wide / 2
    top = rng.uniform(158, 196) - high / 2
    seen = cv2.remap(
        canvas,
        ((u - left) * _FINE).astype(np.float32),
        ((v - top) * _FINE).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    return seen.astype(np.float32) / 255 * np.float32(rng.uniform(0.6, 1)), _any_color(rng)


def trimmings(
    shape: MaskShape,
    u: Float32Array,
    v: Float32Array,
    inside: Float32Array,
    pixel: float,
    rng: np.random.Generator,
) -> list[Layer]:
    """Draws the layers of one mask, from bottom to top.

    Args:
        shape: The mask.
        u: Mean-face x of every pixel.
        v: Mean-face y of every pixel.
        inside: Distance to the mask's edge in mean-face units, 0 outside.
        pixel: Mean-face units per pixel.
        rng: Source of randomness.
    """
    layers: list[Layer] = []
    if rng.random() < EMBLEM[shape.kind]:
        layers.append(_emblem(u, v, rng))
    if rng.random() < BINDING[shape.kind]:
        layers.append(_binding(inside, pixel, rng))
    if rng.random() < VALVE.get(shape.kind, 0):
        layers += _valve(u, v, pixel, rng)
    return layers
