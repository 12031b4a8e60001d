"""Cuts the canonical crop of a face, and draws masks on it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.faces.align import CROP_SIZE, crop_matrix, transform_points, warp_crop
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import eye_centers

from .image_files import read_image
from .landmark_file import FaceRecord

# Standard deviation of the locator's eye error, in pixels of a 256 px crop. Training adds as much,
# because the networks must not depend on a better alignment.
EYE_JITTER = 1.2


def seed_from_name(name: str, salt: int) -> int:
    """Returns a seed that depends on the image's name and a salt alone: crops are reproducible."""
    return zlib.crc32(f"{salt}:{name}".encode())


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """The canonical crop of one face, and what is needed to draw masks on it.

    The source is padded so that the crop lies inside it. Masks are drawn on the source and not on
    the crop, so that cloth is as sharp as the image and continues where the image has no data.

    Attributes:
        source: uint8 `[H, W, 3]` RGB, the padded image.
        landmarks: float64 `[468, 2]` mesh points (x, y) in pixels of `source`.
        matrix: float64 `[2, 3]`, maps pixels of `source` to pixels of the crop.
        size: Side of the crop in pixels.
        valid: uint8 `[size, size]`, 255 where the image has data, 0 elsewhere.
    """

    source: UInt8Array
    landmarks: Float64Array
    matrix: Float64Array
    size: int
    valid: UInt8Array

    @property
    def truth(self) -> UInt8Array:
        """The crop without a mask, uint8 `[size, size, 3]` RGB."""
        return warp_crop(self.source, self.matrix, self.size)

    def masked(
        self, *, kind: str | None, seed: int, hard: bool = False
    ) -> tuple[UInt8Array, UInt8Array, str]:
        """Draws a mask on the crop; the arguments are those of `synthesize`.

        Returns:
            The masked crop, uint8 `[size, size, 3]` RGB; the mask's coverage, uint8
            `[size, size]`; and the mask type.
        """
        pair = synthesize(self.source, self.landmarks, kind=kind, seed=seed, hard=hard)
        image = warp_crop(pair.image, self.matrix, self.size)
        return image, warp_crop(pair.mask, self.matrix, self.size), pair.kind


def cut_crop(
    image: UInt8Array, landmarks: Float64Array, size: int, *, jitter: float = 0.0, seed: int = 0
) -> FaceCrop:
    """Cuts the canonical crop of one face.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` mesh points (x, y) in pixels.
        size: Side of the crop in pixels.
        jitter: Standard deviation of the eyes' displacement, in pixels of a 256 px crop.
        seed: For the jitter.
    """
    eyes = eye_centers(landmarks)
    if jitter:
        unit = float(np.linalg.norm(eyes[1] - eyes[0])) / 60
        eyes = eyes + np.random.default_rng(seed).normal(0, jitter * unit, (2, 2))
    matrix = crop_matrix(eyes, size)
    corners = np.array(
        [[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]]
    )
    inverse = cv2.invertAffineTransform(matrix)
    reach = transform_points(inverse, corners)
    height, width = image.shape[:2]
    low = np.maximum(0, np.ceil(-reach.min(0))).astype(int) + 1
    high = np.maximum(0, np.ceil(reach.max(0) - [width, height])).astype(int) + 1
    top, bottom, left, right = (int(n) for n in (low[1], high[1], low[0], high[0]))
    source = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)
    has_data = cv2.copyMakeBorder(
        np.full((height, width), 255, np.uint8),
        top,
        bottom,
        left,
        right,
        cv2.BORDER_CONSTANT,
        value=0,
    )
    matrix = matrix.copy()
    matrix[:, 2] -= matrix[:, :2] @ low
    covered = warp_crop(np.asarray(has_data, np.uint8), matrix, size)
    valid = (covered > 250).astype(np.uint8) * np.uint8(255)
    return FaceCrop(np.asarray(source, np.uint8), landmarks + low, matrix, size, valid)


def read_crop(
    folder: Path, face: FaceRecord, size: int = CROP_SIZE, *, jitter: float = 0.0
) -> FaceCrop:
    """Reads a face's image and cuts its crop; the jitter depends on the image's name.

    Raises:
        DataError: If the image cannot be read.
    """
    image = read_image(folder / face.name)
    return cut_crop(image, face.landmarks, size, jitter=jitter, seed=seed_from_name(face.name, 0))
