"""Makes the pictures in this folder: faces of nobody, with a synthetic mask.

Each face is a blend of at least five people, warped to their common mesh and averaged, so that it
shows none of them. Usage, with the faces of your own data set::

    python examples/make_faces.py FACES --landmarks FACES/landmarks.npz -o examples
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage.transform import PiecewiseAffineTransform, warp

from unmask_sdk.training.data import Face, read_landmarks, read_picture
from unmask_sdk.training.mesh import eye_centres
from unmask_sdk.training.sheet import write_picture
from unmask_sdk.training.synthesis import synthesise

PEOPLE = 6
SIDE = 600
# The rims of the pictures do not match; this much is cut off each side.
TRIM = 64


@dataclass(frozen=True)
class Example:
    """One picture: its file name, the seed that chooses the people, and the mask."""

    name: str
    people_seed: int
    kind: str
    mask_seed: int


EXAMPLES = (
    Example("surgical.jpg", 1, "surgical", 13),
    Example("cloth.jpg", 10, "cloth", 10),
    Example("n95.jpg", 13, "n95", 14),
    Example("dark.jpg", 11, "dark", 16),
)


def choose(faces: list[Face], seed: int) -> list[Face]:
    """Six people who face the camera alike, each once."""
    rng = np.random.default_rng(seed)
    shapes = []
    for face in faces:
        left, right = eye_centres(face.landmarks)
        unit = np.linalg.norm(right - left)
        shapes.append(((face.landmarks - (left + right) / 2) / unit).ravel())
    table = np.array(shapes)
    start = int(rng.integers(len(faces)))
    order = np.argsort(np.square(table - table[start]).sum(1))
    chosen: dict[str, Face] = {}
    for index in order:
        chosen.setdefault(faces[index].person, faces[index])
        if len(chosen) == PEOPLE:
            break
    return list(chosen.values())


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
    crisp = average + 0.9 * (average - cv2.GaussianBlur(average, (0, 0), 2.2))
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
    kept = np.clip(crisp, 0, 255).astype(np.uint8)[TRIM:-TRIM, TRIM:-TRIM]
    return np.ascontiguousarray(kept), mean - TRIM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    # Whole heads only: pictures that show the neck, looking at the camera.
    faces = [
        face
        for face in read_landmarks(options.landmarks)
        if face.name.startswith("lfw/")
        and abs(face.landmarks[4, 0] - eye_centres(face.landmarks)[:, 0].mean()) < 2.5
    ]
    for example in EXAMPLES:
        picture, mesh = blend(options.faces, choose(faces, example.people_seed))
        masked = synthesise(picture, mesh, kind=example.kind, seed=example.mask_seed)
        write_picture(options.out / example.name, masked.image)
        print(options.out / example.name)


if __name__ == "__main__":
    main()
