"""Outlines of the five mask types, drawn on the mean face.

Coordinates are mean-face units (see `mesh`): x = 128 is the middle of the face, the bridge of the
nose is near y = 116, its tip near 145, the mouth near 174, the chin near 218, and the edges of the
face near x = 62 and 194.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import Float64Array

MASK_TYPES = ("surgical", "cloth", "n95", "dark", "scarf")
MIDDLE = 128.0


@dataclass(frozen=True)
class MaskShape:
    """The shape of one mask on the mean face.

    Attributes:
        kind: One of `MASK_TYPES`.
        outline: `[K, 2]` closed curve.
        straps: Ear loops or head straps: curves `[M, 2]`.
        strap_width: In mean-face units.
        top: y of the upper edge at the middle.
        bottom: y of the lower edge at the middle.
    """

    kind: str
    outline: Float64Array
    straps: tuple[Float64Array, ...]
    strap_width: float
    top: float
    bottom: float


def smooth_curve(points: Float64Array, *, closed: bool, steps: int = 6) -> Float64Array:
    """Returns a Catmull-Rom curve through points.

    Args:
        points: `[K, 2]`.
        closed: Whether the last point is connected to the first.
        steps: Number of points of the curve for each of `points`.
    """
    p = points if closed else np.concatenate([points[:1], points, points[-1:]])
    count = len(points) if closed else len(points) - 1
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for i in range(count):
        if closed:
            a, b, c, d = (p[(i + k - 1) % len(p)] for k in range(4))
        else:
            a, b, c, d = p[i : i + 4]
        pieces.append(
            b
            + 0.5 * t * (c - a)
            + t * t * (a - 2.5 * b + 2 * c - 0.5 * d)
            + t**3 * (1.5 * (b - c) + 0.5 * (d - a))
        )
    if not closed:
        pieces.append(points[-1:])
    return np.concatenate(pieces)


def mirror(
    half: list[tuple[float, float]], rng: np.random.Generator, jitter: float
) -> Float64Array:
    """Returns a closed outline, slightly irregular, from its right half.

    Args:
        half: Points (x from the middle, y) from the top middle to the bottom middle.
        rng: Source of randomness.
        jitter: Standard deviation of each point, in mean-face units.
    """
    right = np.array(half)
    left = right[::-1][1:-1] * [-1.0, 1.0]
    points = np.concatenate([right, left])
    points = points + rng.normal(0, jitter, points.shape)
    # The mask is slightly tilted.
    tilt = rng.normal(0, 0.02)
    points[:, 1] += tilt * points[:, 0]
    points[:, 0] += rng.normal(0, 1.2) + MIDDLE
    return smooth_curve(points, closed=True)


def _top_edge(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws the height of the upper edge: mostly on the nose, at times at its tip or below it."""
    draw = rng.random()
    if draw < 0.12:
        return rng.uniform(152, 164)  # worn below the nose
    if draw < 0.20:
        return rng.uniform(138, 150)  # slipped to the tip
    return rng.uniform(low, high)


def _loops(
    rng: np.random.Generator, upper: tuple[float, float], lower: tuple[float, float]
) -> tuple[Float64Array, ...]:
    """Draws ear loops from the side corners; each side may be hidden by hair."""
    straps = []
    for side in (-1, 1):
        if rng.random() < 0.25:
            continue
        ear = 71 + rng.uniform(-3, 4)
        height = rng.uniform(116, 128)
        for corner, target, sag in (
            (upper, (ear, height), -1.5),
            (lower, (ear, height + rng.uniform(16, 30)), 3.0),
        ):
            start = np.array([corner[0] - 1, corner[1]])
            end = np.array(target)
            mid = (start + end) / 2 + [2.0, sag + rng.normal(0, 1)]
            curve = np.stack([start, mid, end])
            curve[:, 0] = curve[:, 0] * side + MIDDLE
            straps.append(smooth_curve(curve, closed=False))
    return tuple(straps)


def _surgical(rng: np.random.Generator) -> MaskShape:
    top = _top_edge(rng, 117, 134)
    side = rng.uniform(56, 67)
    upper = max(top + 10, rng.uniform(136, 152))
    lower = max(upper + 22, rng.uniform(172, 190))
    bottom = rng.uniform(212, 230)
    half = [
        (0.0, top),
        (12.0, top + rng.uniform(3, 6)),
        (32.0, top * 0.6 + upper * 0.4 + rng.uniform(-2, 4)),
        (side - 6, upper - 2),
        (side, upper + 2),
        (side - rng.uniform(-1, 2), lower),
        (side - 14, lower + 14),
        (30.0, bottom - 9),
        (14.0, bottom - 1.5),
        (0.0, bottom),
    ]
    loops = _loops(rng, (side, upper + 2), (side - 2, lower - 2))
    return MaskShape("surgical", mirror(half, rng, 0.8), loops, rng.uniform(1.4, 2.6), top, bottom)


def _cloth(rng: np.random.Generator) -> MaskShape:
    top = _top_edge(rng, 118, 136)
    side = rng.uniform(54, 68)
    upper = max(top + 12, rng.uniform(136, 156))
    lower = max(upper + 18, rng.uniform(166, 192))
    bottom = rng.uniform(212, 236)
    curve = rng.uniform(-4, 6)
    half = [
        (0.0, top),
        (10.0, top + 2 + rng.uniform(0, 4)),
        (30.0, (top + upper) / 2 + curve),
        (side - 8, upper + 1),
        (side, (upper * 3 + lower) / 4),
        (side, (upper + lower * 3) / 4),
        (side - 10, lower + 8),
        (34.0, bottom - 12),
        (15.0, bottom - 2),
        (0.0, bottom),
    ]
    loops = _loops(rng, (side, upper + 4), (side - 1, lower - 3))
    return MaskShape("cloth", mirror(half, rng, 1.0), loops, rng.uniform(1.6, 4.0), top, bottom)


def _n95(rng: np.random.Generator) -> MaskShape:
    top = _top_edge(rng, 114, 130)
    side = rng.uniform(46, 62)
    upper = max(top + 20, rng.uniform(146, 160))
    lower = max(upper + 14, rng.uniform(176, 194))
    bottom = rng.uniform(216, 236)
    half = [
        (0.0, top),
        (11.0, top + rng.uniform(4, 8)),
        (28.0, (top + upper) / 2 + rng.uniform(-4, 2)),
        (side - 5, upper - 4),
        (side, (upper + lower) / 2),
        (side - 7, lower + 8),
        (26.0, bottom - 8),
        (12.0, bottom - 1),
        (0.0, bottom),
    ]
    if rng.random() < 0.5:  # KN95: ear loops
        straps = _loops(rng, (side - 2, upper + 4), (side - 3, lower - 2))
        width = rng.uniform(1.6, 2.8)
    else:  # N95: two straps around the head, above and below the ears
        straps = tuple(
            smooth_curve(
                np.array(
                    [[MIDDLE + s * (side - 2), y0], [MIDDLE + s * 66, y1], [MIDDLE + s * 76, y2]]
                ),
                closed=False,
            )
            for s in (-1, 1)
            for y0, y1, y2 in (
                (upper + 2, upper - 22, upper - 44),
                (lower - 6, lower + 2, lower + 6),
            )
        )
        width = rng.uniform(2.0, 4.0)
    return MaskShape("n95", mirror(half, rng, 0.6), straps, width, top, bottom)


def _dark(rng: np.random.Generator) -> MaskShape:
    if rng.random() < 0.5:
        shape = _cloth(rng) if rng.random() < 0.5 else _surgical(rng)
        return MaskShape(
            "dark", shape.outline, shape.straps, shape.strap_width, shape.top, shape.bottom
        )
    # Sponge masks: one piece that gets narrow towards the ears.
    top = _top_edge(rng, 117, 133)
    ear_top = rng.uniform(128, 142)
    ear_bottom = ear_top + rng.uniform(14, 26)
    bottom = rng.uniform(212, 230)
    half = [
        (0.0, top),
        (11.0, top + rng.uniform(3, 7)),
        (34.0, max(top + 10, ear_top + 4)),
        (58.0, max(top + 8, ear_top + 2)),
        (70.0, max(top + 6, ear_top)),
        (70.0, max(top + 16, ear_bottom)),
        (58.0, max(top + 40, ear_bottom + 18)),
        (34.0, bottom - 11),
        (14.0, bottom - 1.5),
        (0.0, bottom),
    ]
    return MaskShape("dark", mirror(half, rng, 0.8), (), 0.0, top, bottom)


def _scarf(rng: np.random.Generator) -> MaskShape:
    top = _top_edge(rng, 122, 146)
    wide = rng.uniform(68, 84)
    bottom = rng.uniform(248, 330)
    flare = rng.uniform(0, 22)
    side_top = top + rng.uniform(-4, 24)
    half = [
        (0.0, top),
        (18.0, top + rng.uniform(1, 6)),
        (42.0, (top + side_top) / 2 + rng.uniform(0, 8)),
        (wide - 8, side_top),
        (wide, side_top + 14),
        (wide - rng.uniform(0, 10), 196.0),
        (wide - rng.uniform(0, 14) + flare * 0.5, 230.0),
        (wide - 6 + flare, bottom - 12),
        (40.0, bottom),
        (0.0, bottom + rng.uniform(-4, 8)),
    ]
    return MaskShape("scarf", mirror(half, rng, 1.6), (), 0.0, top, bottom)


DRAW = {"surgical": _surgical, "cloth": _cloth, "n95": _n95, "dark": _dark, "scarf": _scarf}


def draw_shape(kind: str, rng: np.random.Generator) -> MaskShape:
    """Draws the outline and straps of one mask of a kind in `MASK_TYPES`."""
    return DRAW[kind](rng)
