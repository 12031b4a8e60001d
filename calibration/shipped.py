"""Makes `faces.npz`, the calibration set that comes with the package: faces of nobody.

Each face is the average of six people, with a synthetic mask, see
`training/datasets/average_face.py`. Usage::

    python -m unmask_sdk.calibration.shipped FACES -o calibration/faces.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.training.datasets.average_face import PEOPLE_PER_FACE, average_face
from unmask_sdk.training.datasets.crops import EYE_JITTER, cut_crop
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.datasets.landmark_file import FaceRecord, read_landmarks
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.mesh import SKIN, eye_centers

from .images import pack_images

COUNT = 48
# Side of a blend; its crop has about as many pixels as the pictures that went into it.
SIDE = 360
# So many faces of like shape are looked at for those of like skin.
NEAR = 40


def tone(folder: Path, face: FaceRecord) -> np.ndarray:
    """A face's mean skin colour, `[3]`."""
    picture = cv2.blur(read_image(folder / face.name), (5, 5))
    high = np.array(picture.shape[1::-1]) - 1
    points = np.clip(face.landmarks[list(SKIN)].round().astype(int), 0, high)
    return picture[points[:, 1], points[:, 0]].mean(0)


def choose(
    folder: Path, faces: list[FaceRecord], shapes: np.ndarray, start: int
) -> list[FaceRecord]:
    """Six people who hold their heads alike and are of like skin, each once.

    The blend of people of all tones would always be of the same middle tone.
    """
    near: dict[str, FaceRecord] = {}
    for index in np.argsort(np.square(shapes - shapes[start]).sum(1)):
        near.setdefault(faces[index].person, faces[index])
        if len(near) == NEAR:
            break
    wanted = tone(folder, faces[start])
    return sorted(near.values(), key=lambda f: np.square(tone(folder, f) - wanted).sum())[
        :PEOPLE_PER_FACE
    ]


def shape(face: FaceRecord) -> np.ndarray:
    """A face's mesh, whatever its place and size in the picture."""
    left, right = eye_centers(face.landmarks)
    return ((face.landmarks - (left + right) / 2) / np.linalg.norm(right - left)).ravel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--landmarks", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    landmarks = options.landmarks or options.faces / "landmarks.npz"
    # Pictures that show whole heads.
    faces = [
        face
        for face in read_landmarks(landmarks)
        if face.split == "train" and face.name.startswith("lfw/")
    ]
    shapes = np.array([shape(face) for face in faces])
    rng = np.random.default_rng(0)
    crops = []
    for k in track(range(COUNT), "blending"):
        people = choose(options.faces, faces, shapes, int(rng.integers(len(faces))))
        picture, mesh = average_face(options.faces, people, SIDE)
        # Averaging takes the camera's noise away, and evens out the light.
        light = rng.uniform(0.55, 1.3)
        noisy = picture * light + rng.normal(0, rng.uniform(0.5, 4), picture.shape)
        crop = cut_crop(noisy.clip(0, 255).astype(np.uint8), mesh, 256, jitter=EYE_JITTER, seed=k)
        crops.append(crop.masked(kind=MASK_TYPES[k % len(MASK_TYPES)], seed=k)[0])
    data = pack_images(crops)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(crops)} crops, {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
