"""Temporal stability: how a moving face or camera noise changes the result in the hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import BoolArray, UInt8Array
from unmask_sdk.training.datasets.crops import FaceCrop, read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

# From a masked crop, uint8 `[S, S, 3]` RGB, to the unmasked crop and the predicted mask, uint8
# `[S, S]`.
UnmaskFn: TypeAlias = Callable[[UInt8Array], tuple[UInt8Array, UInt8Array]]

# Standard deviation of the noise on the 0..255 scale: a phone's camera in a lit room.
NOISE = 2.0
_SEED = 79


@dataclass(frozen=True)
class Stability:
    """Mean absolute changes in the hole, valid pixels only.

    Attributes:
        faces: Number of faces.
        relative: Change between two frames whose face is one pixel apart, relative to the change
            of the truth; 1 is as stable as a real face.
        flicker: The same change after motion compensation, 0..255; 0 is ideal.
        noise: Change caused by noise of standard deviation 2 on the input, 0..255.
    """

    faces: int
    relative: float
    flicker: float
    noise: float


def _moved(crop: FaceCrop) -> FaceCrop:
    """Returns the crop of the same face, one crop pixel further right."""
    matrix = crop.matrix.copy()
    matrix[0, 2] += 1
    return replace(crop, matrix=matrix)


def measure_stability(
    folder: Path, faces: list[FaceRecord], unmask: UnmaskFn, size: int
) -> Stability | None:
    """Measures how one pixel of motion, and noise, change the result.

    Args:
        folder: Folder of the images.
        faces: The faces; each gets one mask, of the five types in turn.
        unmask: Unmasks a crop.
        size: Side of the crops in pixels.

    Returns:
        The means over the faces, or None if no mask is visible on any face.
    """
    rows = []
    for index, face in enumerate(track(faces, "stability")):
        crop = read_crop(folder, face, size)
        moved = _moved(crop)
        kind, seed = MASK_TYPES[index % len(MASK_TYPES)], seed_from_name(face.name, _SEED)
        masked, mask, _ = crop.masked(kind=kind, seed=seed)
        masked_moved, mask_moved, _ = moved.masked(kind=kind, seed=seed)
        result, result_moved = unmask(masked)[0], unmask(masked_moved)[0]
        input_noise = np.random.default_rng(index).normal(0, NOISE, masked.shape)
        noisy = np.clip(masked + input_noise + 0.5, 0, 255).astype(np.uint8)
        hole = (mask > 127) & (mask_moved > 127) & (crop.valid > 127)
        hole[:, :2] = hole[:, -2:] = False
        if not hole.any():
            continue
        rows.append(
            [
                _change(result_moved, result, hole),
                _change(moved.truth, crop.truth, hole),
                _change(np.roll(result_moved, -1, 1), result, hole),
                _change(unmask(noisy)[0], result, hole),
            ]
        )
    if not rows:
        return None
    result_change, truth_change, flicker, noise = np.mean(rows, 0)
    return Stability(len(rows), float(result_change / truth_change), float(flicker), float(noise))


def _change(a: UInt8Array, b: UInt8Array, where: BoolArray) -> float:
    """Returns the mean absolute difference of two images where `where` is set."""
    return float(np.abs(a.astype(np.float64) - b)[where].mean())
