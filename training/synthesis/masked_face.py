"""Draws a synthetic mask on a face.

Source: Yang, *Face Mask Removal with Region-attentive Face Inpainting*, section on the data set.

There are five types: surgical, cloth, N95/KN95, plain dark, and a scarf that also covers the neck.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float32Array, Float64Array, Int32Array, UInt8Array
from unmask_sdk.errors import InvalidInputError

from .fabrics import base_color, print_pattern, relief, shade
from .fittings import fittings
from .hair import hair_cover
from .hard_masks import hard_color, harden_shape, hem, loud_prints, odd_light, picture_print
from .lighting import Light, image_tint, measure_light, noise_level, shadow_reach
from .mask_shapes import MASK_TYPES, MIDDLE, MaskShape, draw_shape
from .mesh import FaceMap, check_landmarks
from .stand_off import HeadSides, draw_stand_off, fill_union, lengthen_straps
from .trimmings import strap_color, trimmings

_SHIFT = 4  # cv2 draws at 1/16 pixel
# Fraction of the hard masks that lie under the hair at the sides, where there is any.
HAIR_IN_FRONT = 0.6


@dataclass(frozen=True, eq=False)
class MaskedFace:
    """A face with a synthetic mask.

    Attributes:
        image: uint8 `[H, W, 3]` RGB.
        mask: uint8 `[H, W]`, how much of each pixel the mask covers.
        kind: One of `MASK_TYPES`.
    """

    image: UInt8Array
    mask: UInt8Array
    kind: str


def _fixed(points: Float64Array) -> Int32Array:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def _coverage(
    shape: MaskShape,
    outlines: list[Float64Array],
    face: FaceMap,
    head: HeadSides,
    box: tuple[int, int, int, int],
) -> tuple[UInt8Array, UInt8Array]:
    """Returns the antialiased coverage of body and straps inside `box`, uint8 `[H, W]` each."""
    x0, y0, x1, y1 = box
    body = np.zeros((y1 - y0, x1 - x0), np.uint8)
    straps = np.zeros_like(body)
    fill_union(body, [_fixed(outline - [x0, y0]) for outline in outlines], _SHIFT)
    width = max(1, round(shape.strap_width * face.pixels_per_unit))
    hidden = np.zeros_like(straps)
    for strap in shape.straps:
        plane = hidden if (strap[0, 0] - MIDDLE) * head.far > 0 else straps
        line = _fixed(face.to_image(strap) - [x0, y0])
        cv2.polylines(plane, [line], False, 255, width, cv2.LINE_AA, _SHIFT)
    if hidden.any():
        straps = np.maximum(straps, np.minimum(hidden, _filled(head.face - [x0, y0], straps)))
    if head.far and shape.kind != "scarf":
        # A scarf also lies on the shoulders.
        body = np.minimum(body, _filled(head.wrapped - [x0, y0], body))
    return body, straps


def _filled(polygon: Float64Array, like: UInt8Array) -> UInt8Array:
    plane = np.zeros_like(like)
    cv2.fillConvexPoly(plane, _fixed(polygon), 255, cv2.LINE_AA, _SHIFT)
    return plane


def _cloth_color(
    shape: MaskShape,
    light: Light,
    u: Float32Array,
    v: Float32Array,
    inside: Float32Array,
    pixel: float,
    rng: np.random.Generator,
    hard: tuple[UInt8Array, np.random.Generator] | None,
) -> Float32Array:
    """Draws the lit cloth and its trimmings, `[H, W, 3]` on the 0..255 scale.

    For a mask that is hard to find, `hard` is the image and a separate generator.
    """
    color = base_color(shape.kind, light.skin, rng)
    if hard:
        color = hard_color(color, light.skin, *hard)
    albedo = np.broadcast_to(color, (*u.shape, 3)).astype(np.float32)
    if shape.kind in ("cloth", "scarf"):
        pattern = print_pattern(u, v, pixel, rng)
        if pattern is not None:
            cover, ink = pattern
            albedo = albedo + cover[..., None] * (ink - color).astype(np.float32)
    if hard:
        printed = picture_print(u, v, *hard)
        albedo = albedo if printed is None else printed
    loud = loud_prints(u, v, pixel, hard[1]) if hard else []
    layers = loud + trimmings(shape, u, v, inside, pixel, rng)
    if hard:
        layers += fittings(shape, u, v, hard[1]) + hem(inside, v, pixel, hard[1])
    for cover, ink in layers:
        albedo = albedo + cover[..., None] * (ink.astype(np.float32) - albedo)
    height = relief(shape, u, v, pixel, rng)
    direction = (-1.2 * light.across + rng.normal(0, 0.15), -0.35 - 1.2 * light.down * 0.5)
    lit = shade(height, pixel, direction, rng)
    lit *= np.exp(light.across * (u - 128) / 70 + 0.5 * light.down * (v - 150) / 70)
    if hard:
        lit *= odd_light(u, v, hard[1])
    # The light tints the mask as it tints the skin.
    tint = image_tint(light.skin)
    strength = light.level * rng.uniform(0.85, 1.12)
    return (albedo * (lit * strength * 255)[..., None] * tint).astype(np.float32)


def synthesize(
    image: UInt8Array,
    landmarks: npt.ArrayLike,
    *,
    kind: str | None = None,
    seed: int = 0,
    hard: bool = False,
) -> MaskedFace:
    """Draws a mask on the face of an image.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` MediaPipe mesh points (x, y) in pixels of `image`.
        kind: One of `MASK_TYPES`; `None` draws one.
        seed: Same arguments and seed, same result.
        hard: Whether to draw a mask that is hard to find (see `hard_masks`).

    Returns:
        The masked image, the exact coverage, and the mask type.

    Raises:
        InvalidInputError: If the image or the kind is not valid.
        DataError: If the landmarks are not 468 finite points.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InvalidInputError(
            f"image must be uint8 [H, W, 3] RGB; got {image.dtype} {list(image.shape)}"
        )
    if kind is not None and kind not in MASK_TYPES:
        raise InvalidInputError(f"kind must be one of {', '.join(MASK_TYPES)}; got {kind!r}")
    points = check_landmarks(landmarks)
    rng = np.random.default_rng(seed)
    kind = kind or MASK_TYPES[rng.integers(len(MASK_TYPES))]
    shape = draw_shape(kind, rng)
    face = FaceMap(points)
    height, width = image.shape[:2]
    # A separate generator: ordinary masks must not depend on it.
    hard_rng = np.random.default_rng((seed, 1)) if hard else None
    if hard_rng:
        shape = harden_shape(shape, hard_rng)
    # As separate, so that masks on frontal faces do not depend on it.
    yaw_rng = np.random.default_rng((seed, 3))
    away = draw_stand_off(shape, points, yaw_rng, hard=hard)
    shape = lengthen_straps(shape, points, yaw_rng)
    outlines = away.silhouette(shape.outline, face.to_image, face.pixels_per_unit)

    reach = np.concatenate([*outlines, *map(face.to_image, shape.straps)])
    margin = 12 * face.pixels_per_unit + 3
    x0, y0 = np.clip(np.floor(reach.min(0) - margin), 0, [width, height]).astype(int)
    x1, y1 = np.clip(np.ceil(reach.max(0) + margin), 0, [width, height]).astype(int)
    empty = np.zeros((height, width), np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return MaskedFace(image.copy(), empty, kind)
    box = (int(x0), int(y0), int(x1), int(y1))

    head = HeadSides.of(points, away, face.pixels_per_unit)
    body, straps = _coverage(shape, outlines, face, head, box)
    grid_u, grid_v = face.face_grid(*box)
    v = grid_v.astype(np.float32)
    u = away.on_cloth(grid_u.astype(np.float32), v)
    unit = face.pixels_per_unit
    light = measure_light(image, points)
    distance = cv2.distanceTransform((body > 127).astype(np.uint8), cv2.DIST_L2, 3) / unit
    inside: Float32Array = np.asarray(distance, np.float32)
    cloth = _cloth_color(
        shape, light, u, v, inside, 1 / unit, rng, (image, hard_rng) if hard_rng else None
    )

    # The edge turns away from the light, or is sewn.
    rim = 1 - rng.uniform(0.05, 0.3) * np.exp(-inside / rng.uniform(0.8, 2.0))
    if kind in ("surgical", "cloth") and rng.random() < 0.6:
        seam = rng.uniform(3, 7)
        rim = rim * (1 - rng.uniform(0.03, 0.15) * np.exp(-(((inside - seam) / 0.8) ** 2)))
    cloth *= rim[..., None]
    strap_tone = rng.uniform(0.75, 1.05) if kind != "n95" else rng.uniform(0.5, 1.05)
    own = np.median(cloth[body > 127], 0) if (body > 127).any() else cloth.mean((0, 1))
    strap = strap_color(rng)
    cloth[straps > body] = (
        own * strap_tone if strap is None else strap * 255 * light.level * image_tint(light.skin)
    )
    cloth += rng.normal(0, noise_level(image, box) + 0.4, (*cloth.shape[:2], 1)).astype(np.float32)

    coverage = np.maximum(body, straps)
    if hard and kind != "scarf" and np.random.default_rng((seed, 4)).random() < HAIR_IN_FRONT:
        coverage = (coverage * (1 - hair_cover(image, points, face, box, u, v))).astype(np.uint8)
    cover = coverage.astype(np.float32) / 255
    # Contact shadow: close and soft, slightly below the cloth and away from the light.
    blur = max(0.6, rng.uniform(1.2, 3.5) * unit)
    shift = np.array(
        [[1, 0, -4 * light.across * unit], [0, 1, rng.uniform(0, 2.5) * unit]], np.float32
    )
    fallen = cv2.warpAffine(cover, shift, (cover.shape[1], cover.shape[0]))
    fallen = cv2.GaussianBlur(fallen, (0, 0), blur) * shadow_reach(points, box, unit)
    shadow = 1 - rng.uniform(0.08, 0.38) * fallen
    # A light blur makes the cloth as soft as the image.
    cloth = np.asarray(cv2.GaussianBlur(cloth, (0, 0), rng.uniform(0.35, 0.8)), np.float32)

    result = image.copy()
    patch = result[y0:y1, x0:x1].astype(np.float32) * shadow[..., None]
    patch += (np.clip(cloth, 0, 255) - patch) * cover[..., None]
    result[y0:y1, x0:x1] = np.clip(patch + 0.5, 0, 255).astype(np.uint8)
    empty[y0:y1, x0:x1] = coverage
    return MaskedFace(result, empty, kind)
