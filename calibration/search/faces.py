"""Cuts calibration crops, and held-out pairs for the evaluation, from a folder of faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.calibration.progress import ProgressFn
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.faces.align import CROP_SIZE
from unmask_sdk.training.datasets.crops import EYE_JITTER, read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.selection import select_faces
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.mesh import NOSE_TIP, eye_centers

from .scoring import Pairs


@dataclass(frozen=True, eq=False)
class Sample:
    """A calibration crop and its properties.

    Attributes:
        image: uint8 `[256, 256, 3]` RGB.
        kind: Kind of mask.
        color: Median RGB color of the mask, 0..255.
        share: Share of the crop that the mask covers, 0..1.
        yaw: Distance of the nose from the middle of the eyes along the line of the eyes, in eye
            distances; 0 for a frontal face.
        roll: Rotation of the head in the image plane, degrees.
        brightness: Mean of the crop, 0..255.
    """

    image: UInt8Array
    kind: str
    color: tuple[float, float, float]
    share: float
    yaw: float
    roll: float
    brightness: float


def collect(
    folder: Path, faces: Sequence[FaceRecord], count: int, progress: ProgressFn
) -> list[Sample]:
    """Cuts crops of training faces with masks; one per person if there are enough people.

    Args:
        folder: The faces.
        faces: Their meshes.
        count: Number of crops.
        progress: Shows the caller's progress.
    """
    chosen = _choose(faces, "train", count)
    samples = []
    for k in progress(range(len(chosen)), "calibration crops"):
        face = chosen[k]
        crop = read_crop(folder, face, CROP_SIZE, jitter=EYE_JITTER)
        image, mask, kind = crop.masked(kind=_kind(k), seed=seed_from_name(face.name, 1))
        cloth = image[mask > 127] if (mask > 127).any() else np.zeros((1, 3))
        red, green, blue = map(float, np.median(cloth, 0))
        left, right = eye_centers(face.landmarks)
        across = right - left
        distance = float(np.linalg.norm(across))
        samples.append(
            Sample(
                image=image,
                kind=kind,
                color=(red, green, blue),
                share=float(mask.mean() / 255),
                yaw=float((face.landmarks[NOSE_TIP] - (left + right) / 2) @ across / distance**2),
                roll=float(np.degrees(np.arctan2(across[1], across[0]))),
                brightness=float(image.mean()),
            )
        )
    return samples


def held_out(
    folder: Path, faces: Sequence[FaceRecord], count: int, size: int, progress: ProgressFn
) -> Pairs:
    """Cuts pairs of validation faces in the network's size; arguments as for `collect`."""
    chosen = _choose(faces, "val", count)
    rows: list[tuple[UInt8Array, ...]] = []
    for k in progress(range(len(chosen)), "held-out pairs"):
        crop = read_crop(folder, chosen[k], size, jitter=EYE_JITTER)
        image, mask, _ = crop.masked(kind=_kind(k), seed=seed_from_name(chosen[k].name, 1))
        rows.append((image, crop.truth, mask, crop.valid))
    return Pairs(*(np.stack(column) for column in zip(*rows, strict=True)))


def near_duplicates(images: Sequence[UInt8Array], bits: int = 5) -> list[tuple[int, int]]:
    """Returns the indices of similar crops: 64-bit difference hashes differ in at most `bits`."""
    hashes = []
    for image in images:
        small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).mean(-1)
        hashes.append((small[:, 1:] > small[:, :-1]).ravel())
    table = np.array(hashes)
    return [
        (a, b)
        for a in range(len(table))
        for b in range(a + 1, len(table))
        if (table[a] != table[b]).sum() <= bits
    ]


def _choose(faces: Sequence[FaceRecord], split: str, count: int) -> list[FaceRecord]:
    single = select_faces(list(faces), split=split, per_person=1, limit=count)
    return single if len(single) == count else select_faces(list(faces), split=split, limit=count)


def _kind(k: int) -> str:
    """Returns the kind of mask for a crop by its index; all kinds are equally frequent."""
    return MASK_TYPES[k % len(MASK_TYPES)]
