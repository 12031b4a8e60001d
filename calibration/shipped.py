"""Makes `faces.npz`, the calibration set of synthetic faces that comes with the package.

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

from unmask_sdk.core.arrays import Float64Array
from unmask_sdk.training.datasets.average_face import PEOPLE_PER_FACE, average_face
from unmask_sdk.training.datasets.crops import EYE_JITTER, cut_crop
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.datasets.landmark_file import FaceRecord, read_landmarks
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.mesh import SKIN, eye_centers

from .calibration_set import pack_images

COUNT = 48
# Side of an average face in pixels; its crop has about as many pixels as the source images.
SIDE = 360
# Number of faces of similar shape among which those of similar skin tone are chosen.
NEAR = 40


def skin_tone(folder: Path, face: FaceRecord) -> Float64Array:
    """Returns a face's mean skin color, RGB 0..255, `[3]`."""
    image = cv2.blur(read_image(folder / face.name), (5, 5))
    high = np.array(image.shape[1::-1]) - 1
    points = np.clip(face.landmarks[list(SKIN)].round().astype(int), 0, high)
    tone: Float64Array = image[points[:, 1], points[:, 0]].mean(0, dtype=np.float64)
    return tone


def choose(
    folder: Path, faces: list[FaceRecord], shapes: Float64Array, start: int
) -> list[FaceRecord]:
    """Returns six different people with similar head pose and skin tone.

    The average of people of all tones would always have the same medium tone.

    Args:
        folder: The faces.
        faces: Their meshes.
        shapes: Their meshes from `normalized_mesh`, `[N, 936]`.
        start: Index of the face that the others are to be similar to.
    """
    near: dict[str, FaceRecord] = {}
    for index in np.argsort(np.square(shapes - shapes[start]).sum(1)):
        near.setdefault(faces[index].person, faces[index])
        if len(near) == NEAR:
            break
    wanted = skin_tone(folder, faces[start])

    def difference(face: FaceRecord) -> float:
        return float(np.square(skin_tone(folder, face) - wanted).sum())

    return sorted(near.values(), key=difference)[:PEOPLE_PER_FACE]


def normalized_mesh(face: FaceRecord) -> Float64Array:
    """Returns a face's mesh, independent of its position and size in the image, `[936]`."""
    left, right = eye_centers(face.landmarks)
    mesh: Float64Array = (face.landmarks - (left + right) / 2) / np.linalg.norm(right - left)
    return mesh.ravel()


def main() -> None:
    """Makes the set from a folder of faces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--landmarks", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    landmarks = options.landmarks or options.faces / "landmarks.npz"
    # Images that show entire heads.
    faces = [
        face
        for face in read_landmarks(landmarks)
        if face.split == "train" and face.name.startswith("lfw/")
    ]
    shapes = np.array([normalized_mesh(face) for face in faces])
    rng = np.random.default_rng(0)
    crops = []
    for k in track(range(COUNT), "blending"):
        people = choose(options.faces, faces, shapes, int(rng.integers(len(faces))))
        image, mesh = average_face(options.faces, people, SIDE)
        # Averaging removes the camera's noise and evens out the light, so both are added again.
        light = rng.uniform(0.55, 1.3)
        noisy = image * light + rng.normal(0, rng.uniform(0.5, 4), image.shape)
        crop = cut_crop(noisy.clip(0, 255).astype(np.uint8), mesh, 256, jitter=EYE_JITTER, seed=k)
        crops.append(crop.masked(kind=MASK_TYPES[k % len(MASK_TYPES)], seed=k)[0])
    data = pack_images(crops)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(crops)} crops, {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
