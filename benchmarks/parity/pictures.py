"""The images that runtimes are compared on: real faces with drawn masks, or drawings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import DataError

if TYPE_CHECKING:
    from unmask_sdk.training.datasets.crops import FaceCrop


SEED = 11
# A seed salt that neither training nor evaluation uses.
SALT = 79


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth: the faces without masks, and the masks.

    Attributes:
        pictures: uint8 `[N, S, S, 3]`.
        masks: uint8 `[N, S, S]`, how much of each pixel the mask covers.
        valid: uint8 `[N, S, S]`, 255 where the source image has data.
        crops: For the face recognizer.
    """

    pictures: UInt8Array
    masks: UInt8Array
    valid: UInt8Array
    crops: tuple[FaceCrop, ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Aligned, masked crops.

    Attributes:
        source: Description for the report.
        masked: uint8 `[N, S, S, 3]` RGB.
        truth: `None` if it is unknown.
    """

    source: str
    masked: UInt8Array
    truth: Truth | None = None


MakePictures = Callable[[int], Pictures]


def drawn(size: int, count: int) -> Pictures:
    """Draws faces; they have no ground truth."""
    return Pictures(f"{count} drawings", draw_masked_faces(count, size, size, SEED))


def of_faces(folder: Path, landmarks: Path | None, split: str, limit: int) -> MakePictures:
    """Makes pairs from the faces of a folder, with the five types of mask in turn.

    Args:
        folder: Folder of the photos.
        landmarks: Their meshes; `None` for `landmarks.npz` in the folder.
        split: Split of the landmark file.
        limit: Largest number of faces, spread over the list.

    Returns:
        A function from the side of the crops to the images.

    Raises:
        DataError: If the landmarks cannot be read, or no face is in the split.
    """
    from unmask_sdk.training.datasets.crops import read_crop, seed_from_name
    from unmask_sdk.training.datasets.landmark_file import read_landmarks
    from unmask_sdk.training.datasets.selection import select_faces
    from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

    faces = read_landmarks(landmarks or folder / "landmarks.npz")
    chosen = select_faces(faces, split=split, limit=limit)
    if not chosen:
        there = ", ".join(sorted({face.split for face in faces}))
        raise DataError(f"no face in split {split!r}; this set has: {there}. Pass --split")

    def make(size: int) -> Pictures:
        crops = tuple(read_crop(folder, face, size) for face in chosen)
        pairs = [
            crop.masked(kind=MASK_TYPES[k % len(MASK_TYPES)], seed=seed_from_name(face.name, SALT))
            for k, (face, crop) in enumerate(zip(chosen, crops, strict=True))
        ]
        truth = Truth(
            pictures=np.stack([crop.truth for crop in crops]),
            masks=np.stack([mask for _, mask, _ in pairs]),
            valid=np.stack([crop.valid for crop in crops]),
            crops=crops,
        )
        source = f"{len(chosen)} faces of split {split}, synthetic masks"
        return Pictures(source, np.stack([masked for masked, _, _ in pairs]), truth)

    return make
