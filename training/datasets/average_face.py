"""Average faces: images of several people, warped to their mean mesh and averaged.

They show no real person, so they can be published.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from skimage.transform import PiecewiseAffineTransform, warp

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.training.synthesis.mesh import eye_centers

from .image_files import read_image
from .landmark_file import FaceRecord

# With fewer people, single ones could be recognized.
PEOPLE_PER_FACE = 6
SIDE = 600
# The borders of the images do not match: of a side of 600, this much is trimmed from each edge.
TRIM = 64


def average_face(
    folder: Path, faces: list[FaceRecord], side: int = SIDE
) -> tuple[UInt8Array, Float64Array]:
    """Averages the faces of several people.

    Args:
        folder: The folder that the faces' names are relative to.
        faces: Faces whose images are square.
        side: Side in pixels of the average before its border is trimmed.

    Returns:
        The average face, uint8 `[H, W, 3]` RGB, and its mesh, float64 `[468, 2]` in pixels.
    """
    border = np.array([(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)])
    images = [read_image(folder / face.name) for face in faces]
    meshes = [face.landmarks * side / i.shape[0] for face, i in zip(faces, images, strict=True)]
    mean: Float64Array = np.mean(meshes, 0)
    total = np.zeros((side, side, 3))
    for image, mesh in zip(images, meshes, strict=True):
        resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        # scikit-image has no types.
        transform = PiecewiseAffineTransform.from_estimate(  # type: ignore[no-untyped-call]
            np.concatenate([mean, border * side]), np.concatenate([mesh, border * side])
        )
        total += warp(  # type: ignore[no-untyped-call]
            resized, transform, mode="edge", preserve_range=True
        )
    average = (total / len(faces)).astype(np.float32)
    # Averaging softens the features; an unsharp mask sharpens them again.
    sharp = average + 0.9 * (average - cv2.GaussianBlur(average, (0, 0), 2.2 * side / SIDE))
    # Averaged backgrounds look like a double exposure: they are blurred, as by a portrait lens.
    left, right = eye_centers(mean)
    unit = float(np.linalg.norm(right - left)) / 60
    center = (left + right) / 2 + np.array([0, 22 * unit])
    foreground = np.zeros((side, side), np.float32)
    axes = (round(92 * unit), round(132 * unit))
    cv2.ellipse(foreground, _pixel(center), axes, 0, 0, 360, 1.0, -1)
    shoulders = _pixel(center + np.array([0, 190 * unit]))
    cv2.ellipse(foreground, shoulders, (round(150 * unit), round(95 * unit)), 0, 0, 360, 1.0, -1)
    weight = cv2.GaussianBlur(foreground, (0, 0), 12 * unit)[..., None]
    sharp = weight * sharp + (1 - weight) * cv2.GaussianBlur(average, (0, 0), 16 * unit)
    trim = round(TRIM * side / SIDE)
    kept = np.clip(sharp, 0, 255).astype(np.uint8)[trim:-trim, trim:-trim]
    return np.ascontiguousarray(kept), mean - trim


def _pixel(point: Float64Array) -> tuple[int, int]:
    x, y = point.round().astype(int).tolist()
    return x, y
