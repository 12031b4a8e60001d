"""Photos of masked faces, made of the images in `examples/`: any number, all different."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))


def read_rgb(path: Path) -> UInt8Array:
    """Returns the pixels of an image file, uint8 `[H, W, 3]` RGB."""
    return np.asarray(cv2.imread(str(path))[..., ::-1].copy(), np.uint8)


def example_photo(seed: int) -> UInt8Array:
    """Returns a photo with one or two faces at random places and sizes, rolled and lit at random.

    Args:
        seed: The same seed gives the same photo.

    Returns:
        uint8 `[H, W, 3]` RGB, sides from 200 to 900 pixels.
    """
    rng = np.random.default_rng((77, seed))
    height, width = rng.integers(200, 900, 2).tolist()
    photo = cv2.resize(rng.integers(40, 200, (5, 7, 3), np.uint8), (width, height))
    for _ in range(rng.integers(1, 3)):
        example = read_rgb(EXAMPLES[rng.integers(len(EXAMPLES))])
        side = rng.uniform(0.4, 1.1) * min(height, width)
        matrix = cv2.getRotationMatrix2D((256, 256), rng.uniform(-30, 30), side / 512)
        matrix[:, 2] += rng.uniform(0.3, 0.7, 2) * (width, height) - 256
        lit = np.clip(example * rng.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
        cv2.warpAffine(lit, matrix, (width, height), photo, borderMode=cv2.BORDER_TRANSPARENT)
    return np.asarray(photo, np.uint8)
