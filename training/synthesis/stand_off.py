"""How a mask stands off a turned head: its front hides the far cheek and what is behind it.

A mask touches the face along its edge; between nose and chin it is up to a few centimeters before
the skin. On a face that looks at the camera this cannot be seen. On a turned head the front is
displaced to the side that the head is turned to, and its silhouette is the mask's, not the face's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, Int32Array, UInt8Array

from .mask_shapes import MIDDLE, MaskShape
from .mesh import ear_axis, yaw_ratio

# Distance of the front from the skin, in mean-face units (about a millimeter), by type of mask.
DEPTH = {
    "surgical": (3.0, 16.0),
    "cloth": (2.0, 14.0),
    "n95": (8.0, 26.0),
    "dark": (2.0, 15.0),
    "scarf": (2.0, 16.0),
}
# The nose tip lies this much further before the ears than they are from the middle, so that
# `yaw_ratio` is 1.36 times the tangent of the yaw.
NOSE_LEVER = 1.36
# Below this yaw ratio (about 5 degrees), nothing would be seen.
MIN_YAW = 0.12
LAYERS = 7
# From this yaw ratio on (about 10 degrees), the far ear is behind the head.
FAR_YAW = 0.25
_BEYOND = 400.0  # farther than any mask reaches, in mean-face units


@dataclass(frozen=True)
class StandOff:
    """The displacement of a mask's front.

    Attributes:
        across: At the middle of the front, in mean-face units along the line of the ears, positive
            to the image's right.
        axis: That direction in the image, unit vector `[2]`.
        middle: Middle of the front in mean-face units, `[2]`.
        half: Half width and half height of the front in mean-face units, `[2]`.
    """

    across: float
    axis: Float64Array
    middle: Float64Array
    half: Float64Array

    def height(self, x: Float64Array, y: Float64Array) -> Float64Array:
        """Returns how far the cloth is before the skin: 1 in the middle, 0 at the edge."""
        d = ((x - self.middle[0]) / self.half[0]) ** 2 + ((y - self.middle[1]) / self.half[1]) ** 2
        height: Float64Array = np.clip(1 - d, 0, 1) ** 0.7
        return height

    def silhouette(
        self,
        outline: Float64Array,
        to_image: Callable[[Float64Array], Float64Array],
        pixels_per_unit: float,
    ) -> list[Float64Array]:
        """Returns polygons in pixels, `[K, 2]` each, whose union the mask covers.

        The mask is cut into nested outlines; each is displaced by its height over the skin.

        Args:
            outline: `[K, 2]` in mean-face units.
            to_image: Maps mean-face points to pixels.
            pixels_per_unit: Pixels per mean-face unit.
        """
        if not self.across:
            return [to_image(outline)]
        polygons = []
        for scale in np.linspace(1, 0.15, LAYERS):
            ring = self.middle + (outline - self.middle) * scale
            height = self.height(ring[:, 0], ring[:, 1])
            moved = np.outer(height, self.axis) * (self.across * pixels_per_unit)
            polygons.append(to_image(ring) + moved)
        return polygons

    def on_cloth(self, u: Float32Array, v: Float32Array) -> Float32Array:
        """Returns the mean-face x of what is seen of the cloth where the skin has `u`, `v`."""
        if not self.across:
            return u
        skin, down = u.astype(np.float64), v.astype(np.float64)
        seen = skin
        for _ in range(3):
            seen = skin - self.across * self.height(seen, down)
        moved: Float32Array = seen.astype(np.float32)
        return moved


def draw_stand_off(
    shape: MaskShape, landmarks: Float64Array, rng: np.random.Generator, *, hard: bool
) -> StandOff:
    """Draws how far a mask stands off a face.

    Args:
        shape: The mask.
        landmarks: `[468, 2]` mesh points in pixels.
        rng: Source of randomness.
        hard: Whether it may stand off twice as far, as a loose mask does.
    """
    yaw = yaw_ratio(landmarks)
    depth = rng.uniform(*DEPTH[shape.kind]) * (rng.uniform(1, 2) if hard else 1)
    sine = np.sin(np.arctan(yaw / NOSE_LEVER)) if abs(yaw) >= MIN_YAW else 0.0
    # A scarf hangs down from the chin: only its upper part stands off.
    bottom = min(shape.bottom, 232.0)
    middle = np.array([MIDDLE, shape.top * 0.45 + bottom * 0.55])
    wide = float(np.abs(shape.outline[:, 0] - MIDDLE).max())
    half = np.array([min(wide, 64.0), (bottom - shape.top) * 0.58])
    return StandOff(float(depth * sine), ear_axis(landmarks), middle, half)


def lengthen_straps(
    shape: MaskShape, landmarks: Float64Array, rng: np.random.Generator
) -> MaskShape:
    """Returns a mask whose straps on the near side of a turned head reach the ear, now in view."""
    yaw = yaw_ratio(landmarks)
    if abs(yaw) < MIN_YAW:
        return shape
    longer = rng.uniform(4, 16) * min(1.0, abs(yaw) / 0.5)

    def lengthen(strap: Float64Array) -> Float64Array:
        x = (strap[:, 0] - MIDDLE) * -np.sign(yaw)
        if x[0] < 0:
            return strap
        reach = np.clip((x - x[0]) / max(x[-1] - x[0], 1.0), 0, 1)
        moved: Float64Array = strap.copy()
        moved[:, 0] -= np.sign(yaw) * longer * reach
        return moved

    return replace(shape, straps=tuple(lengthen(strap) for strap in shape.straps))


@dataclass(frozen=True)
class HeadSides:
    """What of a head a camera sees, as far as it limits what is seen of a mask.

    Attributes:
        far: Which side the yaw hides: -1 the image's left one, 1 the right one, 0 none.
        face: Convex outline of the face, `[K, 2]` in pixels.
        wrapped: Convex region, `[K, 2]` in pixels, that cloth is seen in: beyond it, on the far
            side, cloth runs back behind the cheek.
    """

    far: int
    face: Float64Array
    wrapped: Float64Array

    @classmethod
    def of(cls, landmarks: Float64Array, away: StandOff, pixels_per_unit: float) -> HeadSides:
        """Returns the sides of a head.

        Args:
            landmarks: `[468, 2]` mesh points in pixels.
            away: How far the mask stands off it.
            pixels_per_unit: Pixels per mean-face unit.
        """
        yaw = yaw_ratio(landmarks)
        far = int(np.sign(yaw)) if abs(yaw) > FAR_YAW else 0
        face = cv2.convexHull(landmarks.astype(np.float32))[:, 0].astype(np.float64)
        across = ear_axis(landmarks)
        down = np.array([-across[1], across[0]])
        edge = face + across * (away.across + 3 * far) * pixels_per_unit
        beyond = _BEYOND * pixels_per_unit
        near = edge - across * far * beyond
        corners = [face, edge, near, edge + down * beyond, near + down * beyond]
        wrapped = cv2.convexHull(np.concatenate(corners).astype(np.float32))[:, 0]
        return cls(far, face, wrapped.astype(np.float64))


def fill_union(plane: UInt8Array, polygons: list[Int32Array], shift: int) -> None:
    """Fills each of several polygons, antialiased; they may cross themselves.

    Args:
        plane: uint8 `[H, W]`, changed in place.
        polygons: `[K, 2]` each, in pixels times `2 ** shift`.
        shift: Fractional bits.
    """
    for polygon in polygons:
        own = np.zeros_like(plane)
        cv2.fillPoly(own, [polygon], 255, cv2.LINE_AA, shift)
        np.maximum(plane, own, out=plane)
