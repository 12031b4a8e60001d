"""What real masks carry more often, and larger, than ordinary synthetic ones.

Valves, logos and printed mouths were left on the face where a mask was removed: they look unlike
the cloth around them, and some look like a face. Each is a list of layers, see `trimmings`.
"""

from __future__ import annotations

import string

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .mask_shapes import MIDDLE, MaskShape
from .trimmings import Layer

# Probability of each on a hard mask, by type.
VALVE = {"n95": 0.45, "dark": 0.15, "cloth": 0.12}
CHIN_PRINT = {"cloth": 0.3, "dark": 0.3, "n95": 0.12, "surgical": 0.1, "scarf": 0.2}
_SIDE = 200  # of the canvas, in pixels; it is laid over an area of any size


def _plastic(rng: np.random.Generator) -> Float64Array:
    """Draws the color of a plastic: white, gray, black, or a strong one."""
    draw = rng.random()
    if draw < 0.8:
        gray = rng.choice([rng.uniform(0.8, 0.97), rng.uniform(0.04, 0.2), rng.uniform(0.3, 0.7)])
        return np.full(3, gray)
    return rng.uniform(0.05, 0.9, 3)


def _laid(
    canvas: UInt8Array,
    u: Float32Array,
    v: Float32Array,
    center: tuple[float, float],
    size: tuple[float, float],
) -> Float32Array:
    """Returns the coverage of a canvas laid on the cloth; `center`, `size` in mean-face units."""
    x = ((u - center[0]) / size[0] + 0.5) * _SIDE
    y = ((v - center[1]) / size[1] + 0.5) * _SIDE
    seen = cv2.remap(canvas, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    cover: Float32Array = np.asarray(seen, np.float32) / np.float32(255)
    return cover


def _valve(u: Float32Array, v: Float32Array, rng: np.random.Generator) -> list[Layer]:
    """Draws a valve: a round or square box with a lit and a dark rim, and a grille."""
    middle = rng.random() < 0.35
    center = (
        MIDDLE + (rng.normal(0, 2) if middle else rng.choice([-1, 1]) * rng.uniform(12, 34)),
        rng.uniform(164, 196),
    )
    wide = rng.uniform(16, 34)
    size = (wide, wide * rng.uniform(0.8, 1.15))
    body, lit, grille = (np.zeros((_SIDE, _SIDE), np.uint8) for _ in range(3))
    half, radius = _SIDE // 2, _SIDE // 2 - 6
    if rng.random() < 0.6:
        cv2.circle(body, (half, half), radius, 255, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(body, (30, 30), (_SIDE - 30, _SIDE - 30), 255, -1)
        body = np.asarray(cv2.dilate(body, cv2.getStructuringElement(2, (41, 41))), np.uint8)
    inner = cv2.erode(body, np.ones((25, 25), np.uint8))
    rim = cv2.subtract(body, inner)
    lit[:half] = rim[:half]
    for k in range(int(rng.integers(2, 6))):
        y = 50 + k * 25
        cv2.line(grille, (45, y), (_SIDE - 45, y), 255, int(rng.integers(5, 11)), cv2.LINE_AA)
    grille = np.asarray(cv2.min(grille, inner), np.uint8)
    color = _plastic(rng)
    dark = np.asarray(cv2.subtract(rim, lit), np.uint8)
    return [
        (_laid(body, u, v, center, size), color),
        (0.6 * _laid(lit, u, v, center, size), np.clip(color * 1.3 + 0.08, 0, 1)),
        (0.6 * _laid(dark, u, v, center, size), color * 0.55),
        (0.7 * _laid(grille, u, v, center, size), color * 0.4),
    ]


def _printed_mouth(u: Float32Array, v: Float32Array, rng: np.random.Generator) -> list[Layer]:
    """Draws lips, a smile with teeth, or a moustache on the cloth."""
    outer, inner = np.zeros((_SIDE, _SIDE), np.uint8), np.zeros((_SIDE, _SIDE), np.uint8)
    smile = rng.uniform(0, 50)
    x = np.linspace(10, _SIDE - 10, 40)
    bow = 1 - ((x - 100) / 92) ** 2
    top = 95 - bow * rng.uniform(10, 45) + (1 - bow) * -smile * 0.5
    bottom = 100 + bow * rng.uniform(25, 80) + (1 - bow) * -smile * 0.5
    edge = np.concatenate([np.stack([x, top], 1), np.stack([x, bottom], 1)[::-1]])
    cv2.fillPoly(outer, [edge.astype(np.int32)], 255, cv2.LINE_AA)
    layers = []
    center, wide = (MIDDLE + rng.normal(0, 4), rng.uniform(168, 196)), rng.uniform(34, 78)
    size = (wide, wide * rng.uniform(0.45, 0.9))
    lips = rng.choice([0, 1, 2])
    color = (rng.uniform((0.5, 0.05, 0.08), (0.9, 0.3, 0.35)), np.full(3, 0.06), np.full(3, 0.93))
    layers.append((_laid(outer, u, v, center, size), np.asarray(color[lips], np.float64)))
    if rng.random() < 0.6:
        cv2.fillPoly(inner, [((edge - 100) * 0.75 + 100).astype(np.int32)], 255, cv2.LINE_AA)
        layers.append((_laid(inner, u, v, center, size), np.full(3, rng.choice([0.95, 0.05]))))
        for k in range(30, _SIDE - 20, int(rng.integers(14, 40))):
            cv2.line(inner, (k, 0), (k, _SIDE), 0, 4)
        layers.append((_laid(inner, u, v, center, size), np.full(3, rng.choice([0.97, 0.3]))))
    return layers


def _chin_logo(u: Float32Array, v: Float32Array, rng: np.random.Generator) -> list[Layer]:
    """Draws large letters or a badge that reaches over the chin."""
    canvas = np.zeros((_SIDE, _SIDE), np.uint8)
    if rng.random() < 0.6:
        word = "".join(rng.choice(list(string.ascii_uppercase + string.digits), rng.integers(1, 6)))
        thick = int(rng.integers(4, 12))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        (across, up), _ = cv2.getTextSize(word, font, 1.0, thick)
        scale = min(180 / across, 150 / up)
        base = (8, int(100 + up * scale / 2))
        cv2.putText(canvas, word, base, font, scale, 255, thick, cv2.LINE_AA)
    else:
        points = rng.uniform(20, 180, (int(rng.integers(3, 9)), 2)).astype(np.int32)
        shape = cv2.convexHull(points) if rng.random() < 0.6 else points
        cv2.fillPoly(canvas, [shape], 255, cv2.LINE_AA)
    center = (MIDDLE + rng.normal(0, 12), rng.uniform(182, 214))
    wide = rng.uniform(24, 80)
    size = (wide, wide * rng.uniform(0.4, 0.9))
    return [(_laid(canvas, u, v, center, size), rng.uniform(0.03, 0.97, 3))]


def fittings(
    shape: MaskShape, u: Float32Array, v: Float32Array, rng: np.random.Generator
) -> list[Layer]:
    """Draws the layers of one hard mask, from bottom to top; the arguments are as in `trimmings`.

    Args:
        shape: The mask.
        u: Mean-face x of every pixel.
        v: Mean-face y of every pixel.
        rng: Source of randomness.
    """
    layers: list[Layer] = []
    if rng.random() < CHIN_PRINT[shape.kind]:
        draw = _printed_mouth if rng.random() < 0.35 else _chin_logo
        layers += draw(u, v, rng)
    if rng.random() < VALVE.get(shape.kind, 0):
        layers += _valve(u, v, rng)
    return layers
