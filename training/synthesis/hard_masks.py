"""Masks that are hard to segment: wide, loose, tilted, strongly printed, or unusually lit.

A fraction of the training masks are hard (`hard_share` of a training stage); evaluation has none,
so that its numbers remain comparable. They imitate what the segmenter missed on photos of people
who wear real masks. Coordinates are mean-face units (see `mask_shapes`).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array

from .mask_shapes import MIDDLE, MaskShape, mirror, smooth_curve
from .trimmings import Layer


def _winged(kind: str, rng: np.random.Generator) -> MaskShape:
    """Draws one piece of cloth from ear to ear, of any height at the ears."""
    top = rng.uniform(115, 136)
    ear = rng.uniform(68, 86)
    ear_top = rng.uniform(110, 146)
    ear_bottom = ear_top + rng.uniform(14, 62)
    bottom = rng.uniform(208, 240)
    jaw = max(ear_bottom + 4, rng.uniform(168, 200))
    half = [
        (0.0, top),
        (11.0, top + rng.uniform(2, 7)),
        (34.0, max(top + 8, (top + ear_top) / 2 + rng.uniform(0, 10))),
        (58.0, max(top + 6, ear_top + rng.uniform(0, 6))),
        (ear, ear_top),
        (ear + rng.uniform(-4, 4), ear_bottom),
        (58.0, jaw),
        (34.0, max(jaw + 6, bottom - rng.uniform(8, 20))),
        (14.0, bottom - 1.5),
        (0.0, bottom),
    ]
    return MaskShape(kind, mirror(half, rng, 1.0), (), 0.0, top, bottom)


def harden_shape(shape: MaskShape, rng: np.random.Generator) -> MaskShape:
    """Returns another cut of a mask: wider, longer, and tilted."""
    if shape.kind in ("cloth", "dark") and rng.random() < 0.5:
        shape = _winged(shape.kind, rng)
    left, right = rng.uniform(0.95, 1.3, 2) if rng.random() < 0.6 else (1.0, 1.0)
    longer = rng.uniform(0, 0.45) if rng.random() < 0.4 else 0.0
    angle = rng.normal(0, 0.06)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = rng.normal(0, 2.5, 2)

    def move(points: Float64Array) -> Float64Array:
        p = points - [MIDDLE, 170.0]
        p[:, 0] *= np.where(p[:, 0] < 0, left, right)
        p[:, 1] += longer * np.maximum(p[:, 1], 0)
        moved: Float64Array = p @ rotation + [MIDDLE, 170.0] + shift
        return moved

    moved = replace(
        shape, outline=move(shape.outline), straps=tuple(move(strap) for strap in shape.straps)
    )
    return _tied(moved, rng) if shape.kind != "scarf" and rng.random() < 0.2 else moved


def _tied(shape: MaskShape, rng: np.random.Generator) -> MaskShape:
    """Returns a mask tied around the head: bands over temples and hair, and to the neck."""
    x = np.abs(shape.outline[:, 0] - MIDDLE)
    corner = shape.outline[x > x.max() - 6]
    wide, upper, lower = float(x.max()), float(corner[:, 1].min()), float(corner[:, 1].max())
    over, under = rng.uniform(38, 78), rng.uniform(4, 26)
    bands = []
    for side in (-1, 1):
        above, below = rng.uniform(72, 80), rng.uniform(69, 76)
        for curve in (
            ((wide - 4, upper + 3), (70, upper - over * 0.45), (above, upper - over)),
            ((wide - 5, lower - 2), (67, lower + under * 0.6), (below, lower + under)),
        ):
            band = np.array(curve) * [side, 1] + [MIDDLE, 0]
            bands.append(smooth_curve(band, closed=False))
    return replace(shape, straps=tuple(bands), strap_width=rng.uniform(1.5, 6.5))


def _loud(rng: np.random.Generator) -> Float64Array:
    """Draws any color."""
    return rng.uniform(0.03, 0.95, 3)


def _checkerboard(
    u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> list[Layer]:
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 26)
    waves = [
        np.sin(2 * np.pi * (u * np.cos(a) + v * np.sin(a)) / period)
        for a in (angle, angle + np.pi / 2)
    ]
    steep = period / (4 * max(pixel, 0.4))
    return [(np.clip(waves[0] * waves[1] * steep + 0.5, 0, 1).astype(np.float32), _loud(rng))]


def _bands(u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator) -> list[Layer]:
    """Draws the mask's upper part in another color, with a straight or a wavy border."""
    border = rng.uniform(140, 190) + rng.uniform(0, 6) * np.sin(u / rng.uniform(4, 20))
    border = border + rng.uniform(-0.004, 0.004) * (u - MIDDLE) ** 2
    return [(np.clip((border - v) / max(pixel, 0.4) + 0.5, 0, 1).astype(np.float32), _loud(rng))]


def _scattered(
    u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> list[Layer]:
    """Draws flowers, dots and strokes of a few colors."""
    layers: list[Layer] = []
    for _ in range(rng.integers(1, 4)):
        canvas = np.zeros((200, 200), np.uint8)  # one pixel per mean-face unit, y from 90
        size = rng.uniform(1.5, 9)
        strokes = rng.random() < 0.3
        for x, y in rng.uniform(0, 200, (int(rng.integers(8, 70)), 2)):
            if strokes:
                to = (int(x + rng.normal(0, 14)), int(y + rng.normal(0, 14)))
                cv2.line(canvas, (int(x), int(y)), to, 255, int(rng.integers(1, 3)), cv2.LINE_AA)
            else:
                axes = (max(1, int(size)), max(1, int(size * rng.uniform(0.3, 1))))
                turn = float(rng.uniform(0, 180))
                cv2.ellipse(canvas, (int(x), int(y)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
        seen = cv2.remap(canvas, u - np.float32(28), v - np.float32(90), cv2.INTER_LINEAR)
        cover: Float32Array = np.asarray(seen.astype(np.float32) / 255, np.float32)
        layers.append((cover, _loud(rng)))
    return layers


def _tie_dye(
    u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> list[Layer]:
    """Draws large soft patches of a few colors."""
    layers: list[Layer] = []
    for _ in range(rng.integers(2, 5)):
        cells = rng.normal(0, 1, (int(rng.integers(3, 9)), int(rng.integers(3, 9))))
        x, y = (u - 28) * (cells.shape[1] - 1) / 200, (v - 90) * (cells.shape[0] - 1) / 150
        field = cv2.remap(
            cells.astype(np.float32),
            x.astype(np.float32),
            y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        steep = rng.uniform(0.6, 6)
        cover = np.clip((field - rng.uniform(-0.3, 0.7)) * steep + 0.5, 0, 1)
        layers.append((cover.astype(np.float32), _loud(rng)))
    return layers


PRINTS = (_checkerboard, _bands, _scattered, _tie_dye)


def loud_prints(
    u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> list[Layer]:
    """Draws the layers of a strong print, or none; the arguments are those of `trimmings`."""
    if rng.random() < 0.55:
        return []
    return PRINTS[rng.integers(len(PRINTS))](u, v, pixel, rng)


def picture_print(
    u: Float32Array, v: Float32Array, image: UInt8Array, rng: np.random.Generator
) -> Float32Array | None:
    """Draws a picture printed all over the cloth, or none.

    It is a part of the photo itself, turned, scaled and in other colors: hair, clothes, things and
    writing have the shapes and contrasts of printed cartoons and photos.

    Args:
        u: Mean-face x of every pixel.
        v: Mean-face y of every pixel.
        image: uint8 `[H, W, 3]` RGB.
        rng: Source of randomness.

    Returns:
        The cloth's reflectance, float32 `[H, W, 3]` in 0..1.
    """
    if rng.random() < 0.85:
        return None
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    scale = np.exp(rng.uniform(np.log(0.25), np.log(2.0))) * min(height, width) / 150
    a, b = np.cos(angle) * scale, np.sin(angle) * scale
    x = (u - MIDDLE) * a - (v - 175) * b + rng.uniform(0, width)
    y = (u - MIDDLE) * b + (v - 175) * a + rng.uniform(0, height)
    seen = cv2.remap(
        image,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    color = seen.astype(np.float32)[..., rng.permutation(3)] / 255
    if rng.random() < 0.3:
        color = 1 - color
    middle = color.mean((0, 1))
    color = (color - middle) * rng.uniform(0.8, 1.6) + middle + rng.normal(0, 0.1, 3)
    printed: Float32Array = np.clip(color, 0.03, 0.97).astype(np.float32)
    return printed


def hem(
    inside: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> list[Layer]:
    """Draws a broad hem in a color of its own along the edge, at times only at the top, or none.

    Dark hems under the eyes look like lashes or the frame of glasses, and light ones like skin.

    Args:
        inside: Distance to the mask's edge in mean-face units, 0 outside.
        v: Mean-face y of every pixel.
        pixel: Mean-face units per pixel.
        rng: Source of randomness.
    """
    if rng.random() < 0.7:
        return []
    cover = np.clip((rng.uniform(1.5, 9) - inside) / max(pixel, 0.4) + 0.5, 0, 1)
    if rng.random() < 0.5:
        cover = cover * np.clip(rng.uniform(145, 175) - v, 0, 1)
    gray = rng.choice([rng.uniform(0.03, 0.15), rng.uniform(0.8, 0.97)])
    color = np.full(3, gray) if rng.random() < 0.6 else _loud(rng)
    return [(cover.astype(np.float32), color)]


def hard_color(
    color: Float64Array, skin: Float64Array, image: UInt8Array, rng: np.random.Generator
) -> Float64Array:
    """Draws the color of the cloth: often the skin's, or one from elsewhere in the image.

    Args:
        color: The color of an ordinary mask, `[3]` in 0..1.
        skin: The skin's color, `[3]` in 0..1.
        image: uint8 `[H, W, 3]` RGB.
        rng: Source of randomness.
    """
    draw = rng.random()
    if draw < 0.2:
        near_skin: Float64Array = skin * rng.uniform(0.75, 1.2) + rng.normal(0, 0.03, 3)
        return np.clip(near_skin, 0.03, 0.97)
    if draw < 0.4:
        y, x = (rng.integers(side) for side in image.shape[:2])
        elsewhere: Float64Array = np.clip(image[y, x] / 255.0, 0.03, 0.97)
        return elsewhere
    return _loud(rng) if draw < 0.5 else color


def odd_light(u: Float32Array, v: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Draws a factor `[H, W]` for over- or underexposed cloth, or for a shadow's edge across it."""
    light = np.ones_like(u)
    if rng.random() < 0.35:
        light = light * np.float32(rng.uniform(0.5, 1.9))
    if rng.random() < 0.3:
        angle = rng.uniform(0, 2 * np.pi)
        distance = (u - MIDDLE) * np.cos(angle) + (v - 175) * np.sin(angle) + rng.normal(0, 22)
        covered = 1 / (1 + np.exp(np.clip(-distance / rng.uniform(0.8, 8), -30, 30)))
        light = light * (1 - rng.uniform(0.25, 0.65) * covered)
    factor: Float32Array = light.astype(np.float32)
    return factor
