"""Calibration sets: aligned, masked crops from which int8 exporters take activation ranges.

A set is one npz file: `crop_0000`, `crop_0001`, … each hold a WebP picture as uint8 bytes, and
`plan` may hold a quantisation plan as JSON text (see `plan.py`). The package ships a small set of
faces of nobody; `unmask calibrate` makes one of the user's own faces.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PILImage

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.faces.align import CROP_SIZE

SHIPPED = "faces.npz"
# Nothing to be seen is lost at this quality, in a tenth of the size of PNG.
_QUALITY = 90
_MEND = "make one with: unmask calibrate FACES -o FILE"


@dataclass(frozen=True, eq=False)
class CalibrationImages:
    """A calibration set.

    Attributes:
        images: uint8 `[N, 256, 256, 3]` RGB, aligned crops of masked faces.
        sha256: Digest of the pixels.
        plan: The quantisation plan that was found with them, as JSON text; None if there is none.
    """

    images: UInt8Array
    sha256: str
    plan: str | None = None

    def at(self, size: int | None) -> UInt8Array:
        """The crops for a network of another size, uint8 `[N, size, size, 3]`; None: any goes."""
        if size is None or size == self.images.shape[1]:
            return self.images
        small = [cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in self.images]
        return np.stack(small).astype(np.uint8)


def read_images(path: Path | None = None) -> CalibrationImages:
    """Reads a calibration set.

    Args:
        path: An npz from `unmask calibrate`; None takes the one that comes with the package.

    Raises:
        DataError: If the file is missing, damaged, or holds something else.
    """
    if path is None:
        with resources.as_file(resources.files(__package__) / SHIPPED) as shipped:
            return read_images(shipped)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the calibration set {path}: {error.strerror}; {_MEND}"
        ) from None
    return unpack_images(content, str(path))


def unpack_images(content: bytes, where: str) -> CalibrationImages:
    """Reads a calibration set from its file's bytes; `where` they lie is said if it is damaged.

    Raises:
        DataError: If they are no calibration set.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            crops = [_decode(stored[name]) for name in sorted(stored) if name.startswith("crop_")]
            plan = str(stored["plan"]) if "plan" in stored else None
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{where} is not a calibration set, or damaged: {error}; {_MEND}") from None
    if not crops:
        raise DataError(f"{where} holds no crops; {_MEND}")
    images = np.stack(crops)
    return CalibrationImages(images, digest_of(images), plan)


def digest_of(images: UInt8Array) -> str:
    """The SHA-256 of a set's pixels."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def pack_images(images: Sequence[UInt8Array], plan: str | None = None) -> bytes:
    """Gives a calibration set as the bytes of its file, the same for the same pictures.

    Args:
        images: uint8 `[256, 256, 3]` RGB crops.
        plan: A plan as JSON text.
    """
    arrays = {f"crop_{k:04}": _encode(image) for k, image in enumerate(images)}
    if plan is not None:
        arrays["plan"] = np.array(plan)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _encode(image: UInt8Array) -> UInt8Array:
    stream = io.BytesIO()
    PILImage.fromarray(image).save(stream, "WEBP", quality=_QUALITY, method=6)
    return np.frombuffer(stream.getvalue(), np.uint8)


def _decode(data: UInt8Array) -> UInt8Array:
    with PILImage.open(io.BytesIO(data.tobytes()), formats=["WEBP"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    if pixels.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise ValueError(f"crops must be {CROP_SIZE} px square, got {list(pixels.shape)}")
    return pixels
