"""Makes the images in this folder: faces that do not exist, with a synthetic mask.

Each face is an average of at least five people, warped to their mean mesh, so that it shows none of
them. Usage, with the faces of your own data set::

    python examples/make_faces.py FACES --landmarks FACES/landmarks.npz -o examples
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask_sdk import UnmaskError
from unmask_sdk.core.optional_deps import require_packages
from unmask_sdk.training.datasets.landmark_file import FaceRecord, read_landmarks
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import eye_centers


@dataclass(frozen=True)
class Example:
    """One image: its file name, the seed that chooses the people, and the mask."""

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


def choose(faces: list[FaceRecord], seed: int, count: int) -> list[FaceRecord]:
    """Returns different people whose heads are turned alike."""
    rng = np.random.default_rng(seed)
    shapes = []
    for face in faces:
        left, right = eye_centers(face.landmarks)
        unit = np.linalg.norm(right - left)
        shapes.append(((face.landmarks - (left + right) / 2) / unit).ravel())
    table = np.array(shapes)
    start = int(rng.integers(len(faces)))
    order = np.argsort(np.square(table - table[start]).sum(1))
    chosen: dict[str, FaceRecord] = {}
    for index in order:
        chosen.setdefault(faces[index].person, faces[index])
        if len(chosen) == count:
            break
    return list(chosen.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    require_packages("make_faces.py", "skimage", "torch", extra="train")
    from unmask_sdk.training.datasets.average_face import PEOPLE_PER_FACE, average_face
    from unmask_sdk.training.datasets.image_files import write_image

    # Complete heads only: images that show the neck, looking at the camera.
    faces = [
        face
        for face in read_landmarks(options.landmarks)
        if face.name.startswith("lfw/")
        and abs(face.landmarks[4, 0] - eye_centers(face.landmarks)[:, 0].mean()) < 2.5
    ]
    for example in EXAMPLES:
        picture, mesh = average_face(
            options.faces, choose(faces, example.people_seed, PEOPLE_PER_FACE)
        )
        masked = synthesize(picture, mesh, kind=example.kind, seed=example.mask_seed)
        write_image(options.out / example.name, masked.image)
        print(options.out / example.name)


if __name__ == "__main__":
    try:
        main()
    except UnmaskError as error:  # Base class of all errors; the message says how to fix it.
        raise SystemExit(str(error)) from None
