"""Faces of nobody: several people's pictures, warped to their common mesh and averaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from skimage.transform import PiecewiseAffineTransform, warp

from unmask_sdk.training.datasets.data import Face, read_picture

from .mesh import eye_centres

# Fewer would leave single people to be recognised.
PEOPLE = 6
SIDE = 600
# The rims of the pictures do not match; of a side of 600, this much is cut off each edge.
TRIM = 64


def blend(folder: Path, faces: list[Face], side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """The average face of some people, uint8 `[H, W, 3]`, and its mesh `[468, 2]`."""
    rim = np.array([(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)])
    pictures = [read_picture(folder / face.name) for face in faces]
    meshes = [face.landmarks * side / p.shape[0] for face, p in zip(faces, pictures, strict=True)]
    mean = np.mean(meshes, 0)
    total = np.zeros((side, side, 3))
    for picture, mesh in zip(pictures, meshes, strict=True):
        large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
        transform = PiecewiseAffineTransform.from_estimate(
            np.concatenate([mean, rim * side]), np.concatenate([mesh, rim * side])
        )
        total += warp(large, transform, mode="edge", preserve_range=True)
    average = (total / len(faces)).astype(np.float32)
    # Averaging softens; an unsharp mask brings the features back.
    crisp = average + 0.9 * (average - cv2.GaussianBlur(average, (0, 0), 2.2 * side / SIDE))
    # Backgrounds do not blend: they are blurred like those of a portrait lens.
    left, right = eye_centres(mean)
    unit = float(np.linalg.norm(right - left)) / 60
    centre = (left + right) / 2 + np.array([0, 22 * unit])
    near = np.zeros((side, side), np.float32)
    axes = (round(92 * unit), round(132 * unit))
    cv2.ellipse(near, tuple(centre.round().astype(int).tolist()), axes, 0, 0, 360, 1.0, -1)
    shoulders = (centre + np.array([0, 190 * unit])).round().astype(int).tolist()
    cv2.ellipse(near, tuple(shoulders), (round(150 * unit), round(95 * unit)), 0, 0, 360, 1.0, -1)
    near = cv2.GaussianBlur(near, (0, 0), 12 * unit)[..., None]
    crisp = near * crisp + (1 - near) * cv2.GaussianBlur(average, (0, 0), 16 * unit)
    trim = round(TRIM * side / SIDE)
    kept = np.clip(crisp, 0, 255).astype(np.uint8)[trim:-trim, trim:-trim]
    return np.ascontiguousarray(kept), mean - trim
