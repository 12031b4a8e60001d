"""Training images of the locator, drawn at random.

A mosaic, for the detector, is a small photo with no, one or several faces of any size and roll on
any background. A crop, for the aligner, shows one face, placed as coarsely as the detector places
it or as precisely as the aligner's first pass does, or something that is not a face.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.faces.align import transform_points
from unmask_sdk.faces.detector_postprocess import GRAY, box_matrix, iou, points_matrix
from unmask_sdk.training.synthesis.mesh import five_points

from .compose_images import Scene, compose_transforms, degrade, draw_background, paste_face
from .faces import mesh_box

# Order of the five points of a mirrored face.
MIRRORED = (1, 0, 2, 4, 3)


def draw_mosaic(
    scene: Scene, size: int, rng: np.random.Generator
) -> tuple[UInt8Array, Float32Array]:
    """Draws a training image for the detector.

    Returns:
        uint8 `[size, size, 3]` RGB, and the boxes float32 `[N, 4]` (x0, y0, x1, y1) of the faces in
        it, in pixels; N may be 0.
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
        image, mesh = scene.face(rng)
        matrix, moved = random_placement(mesh, float(side), size, rng)
        box = mesh_box(moved)
        grown = box + (box[2:] - box[:2]).mean() * np.array([-0.1, -0.1, 0.1, 0.1])
        if boxes and iou(grown, np.array(boxes)).max() > 0.02:
            continue
        paste_face(canvas, image, mesh, matrix, rng)
        boxes.append(box)
    canvas = degrade(canvas, rng)
    if rng.random() < 0.3:
        _add_border(canvas, boxes, rng)
    return canvas, np.array(boxes, np.float32).reshape(-1, 4)


def draw_crop(scene: Scene, rng: np.random.Generator) -> tuple[UInt8Array, Float32Array, bool]:
    """Draws a training image for the aligner.

    Returns:
        uint8 `[112, 112, 3]` RGB; float32 `[5, 2]`, the points in crop sides from the top-left
        edge; and whether it shows a face. Without a face the points are meaningless.
    """
    if rng.random() < 0.12:
        background = draw_background(scene, ALIGN_SIZE, rng)
        return degrade(background, rng), np.full((5, 2), 0.5, np.float32), False
    image, mesh = scene.face(rng)
    mirror = rng.random() < 0.5
    matrix = _random_rotation(rng, mirror)
    moved = transform_points(matrix, mesh).astype(np.float32)
    points = five_points(moved).astype(np.float32)
    if mirror:
        points = points[list(MIRRORED)]
    is_face = True
    if rng.random() < 0.5:
        truth = mesh_box(moved).astype(np.float64)
        box = truth + rng.normal(0, 0.08, 4) * np.tile(truth[2:] - truth[:2], 2)
        if rng.random() < 0.12:
            box = _wrong_box(truth, rng)
            is_face = bool(iou(box, truth[None])[0] > 0.35)
        placement = box_matrix(box)
    else:
        loose = points + rng.normal(0, 0.03, (5, 2)) * np.ptp(moved, 0)
        placement = points_matrix(loose.astype(np.float64))
        rotation = _rotation_about(ALIGN_SIZE / 2, rng.normal(0, 5), np.exp(rng.normal(0, 0.05)))
        placement = compose_transforms(rotation, placement)
    crop = draw_background(scene, ALIGN_SIZE, rng)
    paste_face(crop, image, mesh, compose_transforms(placement, matrix), rng)
    in_crop = (transform_points(placement, points) + 0.5) / ALIGN_SIZE
    return degrade(crop, rng), in_crop.astype(np.float32), is_face


def _wrong_box(box: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Returns a box that misses the face or is far too wide, unlike any of a good detector."""
    width, height = box[2:] - box[:2]
    if rng.random() < 0.5:
        spread = rng.uniform(0.6, 1.5)
        return box + np.array([-width, -height, width, height]) * spread
    angle = 2 * np.pi * rng.random()
    shift = rng.uniform(0.4, 1.0) * np.array([np.cos(angle) * width, np.sin(angle) * height])
    return box + np.tile(shift, 2)


def _random_rotation(rng: np.random.Generator, mirror: bool) -> Float64Array:
    """Returns a random roll, after a shear and squeeze like those of yaw or of a close lens."""
    roll = float(rng.uniform(-48, 48) if rng.random() < 0.3 else rng.normal(0, 12))
    matrix = np.asarray(cv2.getRotationMatrix2D((0, 0), roll, 1.0), np.float64)
    if rng.random() < 0.4:
        squeeze = np.array([[rng.uniform(0.72, 1.08), 0, 0], [rng.normal(0, 0.06), 1, 0]])
        matrix = compose_transforms(matrix, squeeze)
    return compose_transforms(matrix, np.diag([-1.0, 1.0, 1.0])[:2]) if mirror else matrix


def _rotation_about(center: float, degrees: float, scale: float) -> Float64Array:
    return np.asarray(cv2.getRotationMatrix2D((center - 0.5, center - 0.5), degrees, scale))


def random_placement(
    mesh: Float32Array, side: float, size: int, rng: np.random.Generator
) -> tuple[Float64Array, Float32Array]:
    """Places a face at random on a square canvas.

    Args:
        mesh: float32 `[468, 2]`, in pixels of its image.
        side: Mean side of the face's box on the canvas, in pixels.
        size: Side of the canvas, in pixels.
        rng: Decides place, roll and mirroring.

    Returns:
        The transform `[2, 3]` from the image to the canvas, and the mesh on the canvas.
    """
    matrix = _random_rotation(rng, rng.random() < 0.5)
    box = mesh_box(transform_points(matrix, mesh).astype(np.float32))
    matrix = matrix * (side / float(np.sqrt(np.prod(box[2:] - box[:2]))))
    box = mesh_box(transform_points(matrix, mesh).astype(np.float32))
    # The center stays on the canvas; a large face stays near the middle.
    free = max(0.1 * size, (size - 0.7 * side) / 2)
    goal = size / 2 + rng.uniform(-free, free, 2)
    matrix[:, 2] += goal - (box[:2] + box[2:]) / 2
    return matrix, transform_points(matrix, mesh).astype(np.float32)


def _add_border(canvas: UInt8Array, boxes: list[Float32Array], rng: np.random.Generator) -> None:
    """Covers some edges with a border, but never the center of a face."""
    size = canvas.shape[0]
    centers = np.array([(b[:2] + b[2:]) / 2 for b in boxes]).reshape(-1, 2)
    room = np.array([*centers.min(0, initial=size), *(size - centers.max(0, initial=0))])
    widths = np.minimum(rng.uniform(0, 0.3, 4) * size * (rng.random(4) < 0.6), room * 0.9)
    left, top, right, bottom = (int(w) for w in widths)
    canvas[:, :left] = GRAY
    canvas[:top] = GRAY
    canvas[:, size - right :] = GRAY
    canvas[size - bottom :] = GRAY
