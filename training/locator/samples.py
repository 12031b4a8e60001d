"""Training pictures of the locator, drawn afresh each time.

A mosaic is a small photo with no, one or several faces of any size and roll on any background, for
the detector. A crop is what the aligner sees: one face, placed as roughly as the detector or as
finely as the aligner's own first answer places it, or something that is no face.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.faces.align import transform_points
from unmask_sdk.faces.detector_postprocess import (
    GRAY,
    box_matrix,
    iou,
    points_matrix,
)
from unmask_sdk.training.synthesis.mesh import five_points

from .compositing import Scene, compose, degrade, draw_background, paste
from .faces import mesh_box

# Five points of a mirrored face in the order of the face itself.
MIRRORED = (1, 0, 2, 4, 3)


def draw_mosaic(
    scene: Scene, size: int, rng: np.random.Generator
) -> tuple[UInt8Array, Float32Array]:
    """Draws a picture for the detector.

    Returns:
        uint8 `[size, size, 3]` RGB, and the boxes float32 `[N, 4]` (x0, y0, x1, y1) in pixels of
        the faces in it, N from 0 up.
    """
    canvas = draw_background(scene, size, rng)
    boxes: list[Float32Array] = []
    kind = rng.random()
    if kind < 0.12:
        sides = np.zeros(0)
    elif kind < 0.5:
        sides = np.exp(rng.uniform(np.log(60), np.log(1.15 * size), 1))
    else:
        count = int(rng.integers(1, 7))
        sides = np.exp(rng.uniform(np.log(12), np.log(110), count))
    for side in np.sort(sides)[::-1]:
        picture, mesh = scene.face(rng)
        matrix, moved = throw(mesh, float(side), size, rng)
        box = mesh_box(moved)
        grown = box + (box[2:] - box[:2]).mean() * np.array([-0.1, -0.1, 0.1, 0.1])
        if boxes and iou(grown, np.array(boxes)).max() > 0.02:
            continue
        paste(canvas, picture, mesh, matrix, rng)
        boxes.append(box)
    canvas = degrade(canvas, rng)
    if rng.random() < 0.3:
        _frame(canvas, boxes, rng)
    return canvas, np.array(boxes, np.float32).reshape(-1, 4)


def draw_crop(scene: Scene, rng: np.random.Generator) -> tuple[UInt8Array, Float32Array, bool]:
    """Draws a picture for the aligner.

    Returns:
        uint8 `[112, 112, 3]` RGB; float32 `[5, 2]`, the points in crop sides from the top-left
        edge; and whether it shows a face. Without one the points mean nothing.
    """
    if rng.random() < 0.12:
        nothing = draw_background(scene, ALIGN_SIZE, rng)
        return degrade(nothing, rng), np.full((5, 2), 0.5, np.float32), False
    picture, mesh = scene.face(rng)
    mirror = rng.random() < 0.5
    matrix = _spin(rng, mirror)
    moved = transform_points(matrix, mesh).astype(np.float32)
    points = five_points(moved).astype(np.float32)
    if mirror:
        points = points[list(MIRRORED)]
    is_face = True
    if rng.random() < 0.5:
        truth = mesh_box(moved).astype(np.float64)
        box = truth + rng.normal(0, 0.08, 4) * np.tile(truth[2:] - truth[:2], 2)
        if rng.random() < 0.12:
            box = _stray(truth, rng)
            is_face = bool(iou(box, truth[None])[0] > 0.35)
        place = box_matrix(box)
    else:
        loose = points + rng.normal(0, 0.03, (5, 2)) * np.ptp(moved, 0)
        place = points_matrix(loose.astype(np.float64))
        spin = _about(ALIGN_SIZE / 2, rng.normal(0, 5), np.exp(rng.normal(0, 0.05)))
        place = compose(spin, place)
    crop = draw_background(scene, ALIGN_SIZE, rng)
    paste(crop, picture, mesh, compose(place, matrix), rng)
    seen = (transform_points(place, points) + 0.5) / ALIGN_SIZE
    return degrade(crop, rng), seen.astype(np.float32), is_face


def _stray(box: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Gives a box beside the face or far too wide: one that the detector should not give."""
    width, height = box[2:] - box[:2]
    if rng.random() < 0.5:
        spread = rng.uniform(0.6, 1.5)
        return box + np.array([-width, -height, width, height]) * spread
    angle = 2 * np.pi * rng.random()
    shift = rng.uniform(0.4, 1.0) * np.array([np.cos(angle) * width, np.sin(angle) * height])
    return box + np.tile(shift, 2)


def _spin(rng: np.random.Generator, mirror: bool) -> Float64Array:
    """Gives a random roll, after a squeeze as heads that turn or lenses that are near make it."""
    roll = float(rng.uniform(-48, 48) if rng.random() < 0.3 else rng.normal(0, 12))
    matrix = np.asarray(cv2.getRotationMatrix2D((0, 0), roll, 1.0))
    if rng.random() < 0.4:
        squeeze = np.array([[rng.uniform(0.72, 1.08), 0, 0], [rng.normal(0, 0.06), 1, 0]])
        matrix = compose(matrix, squeeze)
    return compose(matrix, np.diag([-1.0, 1.0, 1.0])[:2]) if mirror else matrix


def _about(centre: float, degrees: float, scale: float) -> Float64Array:
    return np.asarray(cv2.getRotationMatrix2D((centre - 0.5, centre - 0.5), degrees, scale))


def throw(
    mesh: Float32Array, side: float, size: int, rng: np.random.Generator
) -> tuple[Float64Array, Float32Array]:
    """Gives a transform that puts a face of `side` px somewhere on the canvas, and its mesh."""
    matrix = _spin(rng, rng.random() < 0.5)
    box = mesh_box(transform_points(matrix, mesh).astype(np.float32))
    matrix = matrix * (side / float(np.sqrt(np.prod(box[2:] - box[:2]))))
    box = mesh_box(transform_points(matrix, mesh).astype(np.float32))
    # The centre stays on the canvas; a large face stays near the middle.
    free = max(0.1 * size, (size - 0.7 * side) / 2)
    goal = size / 2 + rng.uniform(-free, free, 2)
    matrix[:, 2] += goal - (box[:2] + box[2:]) / 2
    return matrix, transform_points(matrix, mesh).astype(np.float32)


def _frame(canvas: UInt8Array, boxes: list[Float32Array], rng: np.random.Generator) -> None:
    """Cuts the picture off with a grey strip at some edges, never over the middle of a face."""
    size = canvas.shape[0]
    centres = np.array([(b[:2] + b[2:]) / 2 for b in boxes]).reshape(-1, 2)
    room = np.array([*centres.min(0, initial=size), *(size - centres.max(0, initial=0))])
    widths = np.minimum(rng.uniform(0, 0.3, 4) * size * (rng.random(4) < 0.6), room * 0.9)
    left, top, right, bottom = (int(w) for w in widths)
    canvas[:, :left] = GRAY
    canvas[:top] = GRAY
    canvas[:, size - right :] = GRAY
    canvas[size - bottom :] = GRAY
