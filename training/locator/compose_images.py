"""Composes the locator's training images: backgrounds, pasted faces, camera defects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.faces.align import transform_points
from unmask_sdk.training.synthesis.mesh import five_points

from .faces import FaceSample, mesh_box

# Fraction of faces drawn with a mask.
MASKED_FRACTION = 0.55
# How many times more often a face in full profile is drawn than a frontal one.
YAW_OVERSAMPLING = 8.0


@dataclass(frozen=True)
class Scene:
    """What training images are drawn from.

    Attributes:
        faces: At least one.
        backgrounds: Images without a face, at least one.
    """

    faces: list[FaceSample]
    backgrounds: list[UInt8Array]

    @cached_property
    def _cumulative_weights(self) -> Float64Array:
        """Cumulative sampling weights: faces with large yaw are rare, and drawn more often."""
        return np.cumsum([1 + YAW_OVERSAMPLING * relative_yaw(face.mesh) for face in self.faces])

    def face(self, rng: np.random.Generator) -> tuple[UInt8Array, Float32Array]:
        """Returns the image of a random face, masked or not, and its mesh."""
        position = rng.random() * self._cumulative_weights[-1]
        index = int(np.searchsorted(self._cumulative_weights, position, side="right"))
        face = self.faces[index]
        return (face.masked if rng.random() < MASKED_FRACTION else face.bare), face.mesh


def relative_yaw(mesh: Float32Array) -> float:
    """Returns the nose tip's shift from between the eyes, in eye distances.

    It is about 1 for a full profile and 0 for a frontal face.
    """
    left, right, nose = five_points(mesh)[:3]
    across = right - left
    return abs(float(across @ (nose - (left + right) / 2) / (across @ across)))


def draw_background(scene: Scene, size: int, rng: np.random.Generator) -> UInt8Array:
    """Draws an image without a face: one color, a gradient, or parts of backgrounds."""
    kind = rng.random()
    if kind < 0.2:
        ends = rng.uniform(0, 255, (2, 3)) if rng.random() < 0.5 else rng.uniform(190, 255, (2, 1))
        ramp = np.linspace(0, 1, size)[:, None, None]
        flat = ends[0] * ramp + ends[1] * (1 - ramp) * np.ones((1, size, 1))
        flat = np.broadcast_to(flat, (size, size, 3))
        canvas = np.ascontiguousarray(flat.astype(np.uint8))
    else:
        canvas = _patch(scene, size, rng)
        # Patches with hard edges, so that a pasted rectangle alone does not mean "face". Many small
        # ones are as rich in sharp detail as a real photo shrunk to the detector's size.
        busy = rng.random() < 0.4
        count = rng.integers(6, 16) if busy else rng.integers(0, 3)
        for _ in range(int(count)):
            side = int(rng.integers(size // 12, size // 4 if busy else 2 * size // 3))
            x, y = rng.integers(0, size - side, 2)
            canvas[y : y + side, x : x + side] = _patch(scene, side, rng)
    for _ in range(int(rng.integers(0, 4))):
        _shape(canvas, rng)
    return canvas


def degrade(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Changes colors, sharpness, noise and compression as cameras and messengers do."""
    x = image.astype(np.float32)
    if rng.random() < 0.1:
        x = np.repeat(x.mean(2, keepdims=True), 3, axis=2)
    gains = np.exp(rng.normal(0, 0.08, 3) + rng.normal(0, 0.2))
    x = (x - 128) * np.exp(rng.normal(0, 0.15)) + 128 + rng.normal(0, 15)
    x *= gains.astype(np.float32)
    size = image.shape[0]
    if rng.random() < 0.3:
        small = max(16, int(size * rng.uniform(0.35, 1.0)))
        x = cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA)
        x = cv2.resize(x, (size, size), interpolation=cv2.INTER_LINEAR)
    elif rng.random() < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.4:
        noise = rng.standard_normal((size // 2, size, 3), dtype=np.float32) * rng.uniform(1, 10)
        x += np.concatenate([noise, -noise[::-1]])[:size]
    out: UInt8Array = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
        assert decoded is not None, "OpenCV cannot read the JPEG that it wrote"
        out = decoded.astype(np.uint8)
    return out


def paste_face(
    canvas: UInt8Array,
    image: UInt8Array,
    mesh: Float32Array,
    matrix: Float64Array,
    rng: np.random.Generator,
) -> None:
    """Draws a face with some or all of its surroundings onto a canvas, in place.

    Args:
        canvas: uint8 `[S, S, 3]`, changed.
        image: uint8 `[H, W, 3]`, shows the face.
        mesh: Its mesh, in pixels of `image`.
        matrix: `[2, 3]`, from pixels of `image` to pixels of `canvas`.
        rng: Decides outline and edges.
    """
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [width - 1, height - 1]
    else:
        box = mesh_box(mesh)
        # With hair, ears and neck: a head, not only the area of the mesh.
        middle = (box[:2] + box[2:]) / 2
        half = (box[2:] - box[:2]) / 2 * rng.uniform([1.2, 1.3], [2.0, 2.0])
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        corners = middle + half * np.stack([np.cos(angle), np.sin(angle)], 1)
        corners = np.clip(corners, 0, [width - 1, height - 1])
    outline = transform_points(matrix, corners)
    low = np.clip(np.floor(outline.min(0)) - 6, 0, None).astype(int)
    high = np.minimum(np.ceil(outline.max(0)) + 6, canvas.shape[1::-1]).astype(int)
    if (high - low < 2).any():
        return
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    moved = matrix.copy()
    moved[:, 2] -= low
    alpha = np.zeros(size[::-1], np.float32)
    cv2.fillPoly(alpha, [np.round((outline - low) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    if rng.random() < 0.5:
        # Blurred inwards only, or the image's replicated border would show.
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 3.0))
        alpha = np.clip(alpha * 2 - 1, 0, 1)
    source, moved = _shrink(image, moved)
    drawn = cv2.warpAffine(source, moved, size, borderMode=cv2.BORDER_REPLICATE)
    part = canvas[low[1] : high[1], low[0] : high[0]]
    part[:] = (part + (drawn - part.astype(np.float32)) * alpha[..., None]).astype(np.uint8)


def compose_transforms(after: npt.ArrayLike, before: npt.ArrayLike) -> Float64Array:
    """Returns the `[2, 3]` matrix that applies `before`, then `after`."""
    a, b = (np.vstack([m, [0, 0, 1]]) for m in (after, before))
    return np.asarray((a @ b)[:2])


def _shrink(image: UInt8Array, matrix: Float64Array) -> tuple[UInt8Array, Float64Array]:
    """Shrinks an image by a whole factor if its transform does, so that drawing does not alias."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    factor = int(1 / scale) if scale < 0.7 else 1
    if factor < 2:
        return image, matrix
    height, width = image.shape[:2]
    w, h = max(1, width // factor), max(1, height // factor)
    fx, fy = width / w, height / h
    grow = np.array([[fx, 0, 0.5 * fx - 0.5], [0, fy, 0.5 * fy - 0.5]])
    small = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), compose_transforms(matrix, grow)


def _patch(scene: Scene, size: int, rng: np.random.Generator) -> UInt8Array:
    """Returns a square part of a background, rotated by quarter turns and scaled."""
    source = scene.backgrounds[int(rng.integers(len(scene.backgrounds)))]
    side = int(min(*source.shape[:2], rng.integers(40, 400)))
    x = int(rng.integers(0, source.shape[1] - side + 1))
    y = int(rng.integers(0, source.shape[0] - side + 1))
    cut = np.rot90(source[y : y + side, x : x + side], int(rng.integers(4)))
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(np.ascontiguousarray(cut), (size, size), interpolation=interpolation)
    )


def _shape(canvas: UInt8Array, rng: np.random.Generator) -> None:
    """Draws an ellipse, a line or letters in a random color, in place."""
    size = canvas.shape[0]
    color = rng.uniform(0, 255, 3).tolist()
    x, y = (int(v) for v in rng.integers(0, size, 2))
    kind = int(rng.integers(3))
    if kind == 0:
        axes = tuple(int(v) for v in rng.integers(size // 20, size // 3, 2))
        cv2.ellipse(canvas, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
    elif kind == 1:
        end = tuple(int(v) for v in rng.integers(0, size, 2))
        cv2.line(canvas, (x, y), end, color, int(rng.integers(1, 6)), cv2.LINE_AA)
    else:
        text = "".join(chr(int(c)) for c in rng.integers(48, 91, 6))
        face = int(rng.integers(0, 4))
        cv2.putText(canvas, text, (x, y), face, rng.uniform(0.3, 1.5), color, 2, cv2.LINE_AA)
