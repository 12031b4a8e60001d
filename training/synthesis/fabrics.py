"""The cloth of masks: color, print, relief (folds, seams, weave) and shading.

All fields are float32 `[H, W]` over a rectangle of the image, computed from the mean-face
coordinates `u`, `v` of every pixel, so that prints and folds follow the face.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array

from .mask_shapes import MIDDLE, MaskShape

# Approximate reflectance (0..1 RGB) of the most common masks.
SURGICAL = ((0.62, 0.78, 0.88), (0.55, 0.72, 0.86), (0.90, 0.92, 0.93), (0.70, 0.86, 0.84),
            (0.92, 0.78, 0.82), (0.16, 0.16, 0.17), (0.80, 0.84, 0.90))  # fmt: skip
RESPIRATOR = ((0.93, 0.93, 0.92), (0.90, 0.91, 0.93), (0.88, 0.86, 0.82), (0.20, 0.20, 0.21),
              (0.62, 0.64, 0.67), (0.85, 0.78, 0.80))  # fmt: skip
DARK = ((0.12, 0.12, 0.13), (0.15, 0.15, 0.17), (0.11, 0.13, 0.21), (0.21, 0.20, 0.20),
        (0.18, 0.13, 0.11), (0.08, 0.08, 0.08))  # fmt: skip


def _muted(rng: np.random.Generator) -> Float64Array:
    """Draws any hue, rarely saturated: saturated masks look unreal."""
    saturation = min(0.7, rng.gamma(2.0, 0.13))
    value = rng.uniform(0.12, 0.92 - 0.45 * saturation)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, value))


def base_color(kind: str, skin: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Draws the color of a mask.

    At times it is the color of the skin, the hardest case to segment.

    Args:
        kind: One of `MASK_TYPES`.
        skin: The skin's color, `[3]` RGB in 0..1.
        rng: Source of randomness.

    Returns:
        Reflectance, `[3]` RGB in 0..1.
    """
    if kind != "dark" and rng.random() < 0.08:
        return np.clip(skin * rng.uniform(0.8, 1.15), 0.05, 0.95)
    tables = {"surgical": SURGICAL, "n95": RESPIRATOR, "dark": DARK}
    table = tables.get(kind)
    if table is None:
        return _muted(rng)
    color = np.array(table[rng.integers(len(table))])
    return np.clip(color + rng.normal(0, 0.02, 3) + rng.normal(0, 0.03), 0.03, 0.96)


def _soft_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]
) -> Float32Array:
    """Draws smooth noise of about unit variance, with `cells` bumps down and across."""
    grid = rng.normal(0, 1, (max(2, cells[0]), max(2, cells[1]))).astype(np.float32)
    return np.asarray(
        cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32
    )


def _stripes(x: Float32Array, period: float, duty: float, edge: float) -> Float32Array:
    """Returns stripes, 1 inside and 0 outside; `edge` is their blur in mean-face units."""
    phase = np.abs((x / period) % 1.0 - 0.5) * 2
    cover: Float32Array = np.clip((duty - phase) * period / (2 * edge) + 0.5, 0, 1)
    return cover


def print_pattern(
    u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> tuple[Float32Array, Float64Array] | None:
    """Draws a printed pattern.

    Args:
        u: Mean-face x of every pixel.
        v: Mean-face y of every pixel.
        pixel: Mean-face units per pixel.
        rng: Source of randomness.

    Returns:
        Its coverage `[H, W]` in 0..1 and its reflectance `[3]`, or `None` for plain cloth.
    """
    style = rng.choice(
        ["plain", "stripes", "check", "dots", "blotches"], p=[0.5, 0.12, 0.14, 0.1, 0.14]
    )
    if style == "plain":
        return None
    angle = rng.uniform(0, np.pi)
    a = (u * np.cos(angle) + v * np.sin(angle)).astype(np.float32)
    b = (-u * np.sin(angle) + v * np.cos(angle)).astype(np.float32)
    period = rng.uniform(5, 18)
    edge = max(0.7, pixel)
    if style == "stripes":
        cover = _stripes(a, period, rng.uniform(0.2, 0.6), edge)
    elif style == "check":
        duty = rng.uniform(0.25, 0.5)
        cover = 0.5 * (_stripes(a, period, duty, edge) + _stripes(b, period, duty, edge))
    elif style == "dots":
        da, db = (a / period) % 1.0 - 0.5, (b / period) % 1.0 - 0.5
        radius = rng.uniform(0.15, 0.35)
        cover = np.clip((radius - np.hypot(da, db)) * period / (2 * edge) + 0.5, 0, 1)
    else:
        size = rng.uniform(8, 22)
        cells = (int(u.shape[0] * pixel / size), int(u.shape[1] * pixel / size))
        cover = np.clip(_soft_noise(rng, u.shape, cells) * 2, 0, 1)
    return (cover * rng.uniform(0.35, 1.0)).astype(np.float32), _muted(rng)


def _folds(v: Float32Array, at: float, width: float) -> Float32Array:
    """Returns the height of a pleat, which rises slowly and falls off sharply at `at`."""
    d = (v - at) / width
    height: Float32Array = np.where(d < 0, np.exp(d), np.exp(-((d * 4) ** 2))).astype(np.float32)
    return height


def relief(
    shape: MaskShape, u: Float32Array, v: Float32Array, pixel: float, rng: np.random.Generator
) -> Float32Array:
    """Draws the height of the cloth: form, pleats, seams, wrinkles, weave.

    Args:
        shape: The mask.
        u: Mean-face x of every pixel.
        v: Mean-face y of every pixel.
        pixel: Mean-face units per pixel.
        rng: Source of randomness.

    Returns:
        The height in mean-face units, float32 `[H, W]`.
    """
    x = u - MIDDLE
    middle = (shape.top + min(shape.bottom, 230)) / 2
    # The form under the cloth: a dome, with the nose as a ridge at its top.
    dome = rng.uniform(20, 30) * np.exp(-((x / 52) ** 2) - ((v - middle) / 62) ** 2)
    nose = rng.uniform(5, 9) * np.exp(-((x / 11) ** 2) - ((v - 140) / 18) ** 2)
    height = dome + nose
    kind = shape.kind
    sag = 0.0022 * x * x
    if kind == "surgical" or (kind == "dark" and rng.random() < 0.4):
        depth = rng.uniform(0.7, 2.2)
        span = min(shape.bottom, 226) - shape.top
        for part in (0.36, 0.54, 0.72):
            at = shape.top + span * (part + rng.normal(0, 0.02))
            height = height + depth * _folds(v + sag - rng.uniform(2, 6), at, rng.uniform(4, 8))
        height = height + 1.2 * np.exp(-(((v - shape.top - 5 - 0.02 * np.abs(x)) / 1.8) ** 2)) * (
            np.abs(x) < 26
        )
    elif kind == "n95":
        if rng.random() < 0.6:
            height = height + rng.uniform(6, 14) * np.exp(-np.abs(x) / rng.uniform(5, 12))
        for at in (shape.top + rng.uniform(30, 42), min(shape.bottom, 230) - rng.uniform(26, 38)):
            height = height + rng.uniform(0.6, 1.6) * np.exp(-(((v - at) / 1.6) ** 2))
    elif kind in ("cloth", "dark") and rng.random() < 0.6:
        height = height + rng.uniform(1, 5) * np.exp(-np.abs(x) / rng.uniform(1.5, 5))
    elif kind == "scarf":
        # Stacked rolls around jaw and neck, each wavy and slightly different.
        pitch = rng.uniform(14, 34)
        wave = v + rng.uniform(0.001, 0.004) * x * x + 3 * _soft_noise(rng, v.shape, (3, 4))
        height = height * 0.6 + pitch * 0.22 * np.abs(np.sin(np.pi * (wave - shape.top) / pitch))
    tall = max(2, int(u.shape[0] * pixel / rng.uniform(9, 26)))
    wide = max(2, int(u.shape[1] * pixel / rng.uniform(9, 40)))
    soft = 1.6 if kind == "scarf" else 0.9
    height = height + rng.uniform(0.2, soft) * _soft_noise(rng, u.shape, (tall, wide))
    if kind in ("cloth", "scarf"):
        pitch = max(rng.uniform(1.6, 4.5), 2.2 * pixel)
        weave = np.sin(2 * np.pi * u / pitch) * np.sin(2 * np.pi * (v + 0.3 * u) / pitch)
        height = height + rng.uniform(0.02, 0.12) * pitch * weave
    relief_map: Float32Array = height.astype(np.float32)
    return relief_map


def shade(
    height: Float32Array, pixel: float, light: tuple[float, float], rng: np.random.Generator
) -> Float32Array:
    """Returns the Lambert shading of a relief, `[H, W]`, about 1 on average.

    Args:
        height: In mean-face units.
        pixel: Mean-face units per pixel.
        light: Rightward and downward component of the light's direction, about -1..1.
        rng: Draws how strong the ambient light is.
    """
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125 / pixel)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125 / pixel)
    lx, ly = light
    lz = 1.0
    norm = np.sqrt(1 + gx * gx + gy * gy)
    direct = np.maximum(0.0, (lz - lx * gx - ly * gy) / norm) / np.sqrt(lz + lx * lx + ly * ly)
    ambient = rng.uniform(0.45, 0.75)
    # Hollows receive less ambient light.
    hollow = height - cv2.GaussianBlur(height, (0, 0), max(1.0, 4 / pixel))
    occlusion = np.clip(1 + 0.06 * hollow, 0.7, 1.1)
    shading: Float32Array = ((ambient + (1 - ambient) * direct * 1.15) * occlusion).astype(
        np.float32
    )
    return shading
