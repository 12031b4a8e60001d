"""Whether the result holds still: what a moving face or a noisy camera changes in the hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.datasets.crops import FaceCrop, read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

# From a masked crop to the crop without its mask, and the mask found, uint8.
Unmask = Callable[[UInt8Array], tuple[UInt8Array, UInt8Array]]

# Standard deviation of the noise, of 255: a phone's camera in a lit room.
NOISE = 2.0
_SEED = 79


@dataclass(frozen=True)
class Stability:
    """Mean absolute changes in the hole, valid pixels only.

    Attributes:
        faces: Faces looked at.
        relative: Change between two frames whose face lies one pixel apart, over the truth's own
            change; 1 moves as a real face does.
        flicker: The same change with the motion taken out, 0..255; 0 moves along perfectly.
        noise: Change that noise of standard deviation 2 on the input makes, 0..255.
    """

    faces: int
    relative: float
    flicker: float
    noise: float


def _moved(crop: FaceCrop) -> FaceCrop:
    """The same face one crop pixel further right."""
    matrix = crop.matrix.copy()
    matrix[0, 2] += 1
    return replace(crop, matrix=matrix)


def measure_stability(
    folder: Path, faces: list[FaceRecord], unmask: Unmask, size: int
) -> Stability | None:
    """Measures what one pixel of motion, and noise, do to the result.

    Args:
        folder: Folder of the pictures.
        faces: The faces, each with one mask, the five types in turn.
        unmask: From a crop to the crop without its mask, and the mask found.
        size: Side of the crops.

    Returns:
        The means, or None where no face shows any of its mask.
    """
    rows = []
    for index, face in enumerate(track(faces, "stability")):
        crop = read_crop(folder, face, size)
        moved = _moved(crop)
        arguments = {
            "kind": MASK_TYPES[index % len(MASK_TYPES)],
            "seed": seed_from_name(face.name, _SEED),
        }
        masked, mask, _ = crop.masked(**arguments)
        masked_moved, mask_moved, _ = moved.masked(**arguments)
        ours, ours_moved = unmask(masked)[0], unmask(masked_moved)[0]
        grain = np.random.default_rng(index).normal(0, NOISE, masked.shape)
        noisy = np.clip(masked + grain + 0.5, 0, 255).astype(np.uint8)
        hole = (mask > 127) & (mask_moved > 127) & (crop.valid > 127)
        hole[:, :2] = hole[:, -2:] = False
        if not hole.any():
            continue
        rows.append(
            [
                _change(ours_moved, ours, hole),
                _change(moved.truth, crop.truth, hole),
                _change(np.roll(ours_moved, -1, 1), ours, hole),
                _change(unmask(noisy)[0], ours, hole),
            ]
        )
    if not rows:
        return None
    ours_change, truth_change, flicker, noise = np.mean(rows, 0)
    return Stability(len(rows), float(ours_change / truth_change), float(flicker), float(noise))


def _change(a: UInt8Array, b: UInt8Array, where: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b)[where].mean())
