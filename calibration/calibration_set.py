"""Calibration sets: aligned, masked crops from which int8 exporters take activation ranges.

A set is one npz file: `crop_0000`, `crop_0001`, … each hold a WebP image as uint8 bytes, and
`plan` may hold a quantization plan as JSON text (see `plan.py`). The package ships a small set of
synthetic faces; `unmask calibrate` makes one from the user's own faces.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as PILImage

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.faces.align import CROP_SIZE

PACKAGED = "faces.npz"
# No visible loss at this quality, at a tenth of the size of PNG.
_QUALITY = 90
_FIX = "make one with: unmask calibrate FACES -o FILE"


@dataclass(frozen=True, eq=False)
class CalibrationImages:
    """The contents of a calibration set.

    Attributes:
        images: uint8 `[N, 256, 256, 3]` RGB, aligned crops of masked faces.
        sha256: Digest of the pixels.
        plan: The quantization plan that was found with them, as JSON text; `None` if it has none.
    """

    images: UInt8Array
    sha256: str
    plan: str | None = None

    def at(self, size: int | None) -> UInt8Array:
        """Returns the crops in a network's size, uint8 `[N, size, size, 3]`; `None` takes any."""
        if size is None or size == self.images.shape[1]:
            return self.images
        small = [cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in self.images]
        return np.stack(small).astype(np.uint8)


class CalibrationSet:
    """A calibration set that is read from disk when it is first needed, and then kept.

    All conversions of an export job share one, so it is decoded at most once.

    Args:
        path: An npz from `unmask calibrate`; `None` takes the one that comes with the package.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def load(self) -> CalibrationImages:
        """Returns the contents; errors as of `read_images`."""
        return self._contents

    @cached_property
    def _contents(self) -> CalibrationImages:
        return read_images(self.path)


def read_images(path: Path | None = None) -> CalibrationImages:
    """Reads a calibration set.

    Args:
        path: An npz from `unmask calibrate`; `None` takes the one that comes with the package.

    Raises:
        DataError: If the file is missing, damaged, or not a calibration set.
    """
    if path is None:
        with resources.as_file(resources.files(__package__) / PACKAGED) as packaged:
            return read_images(packaged)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the calibration set {path}: {error.strerror}; {_FIX}"
        ) from None
    return unpack_images(content, str(path))


def unpack_images(content: bytes, where: str) -> CalibrationImages:
    """Reads a calibration set from the bytes of its file.

    Args:
        content: The bytes of an npz.
        where: Path of the file, for errors.

    Raises:
        DataError: If they are not a calibration set.
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
        raise DataError(f"{where} is not a calibration set, or damaged: {error}; {_FIX}") from None
    if not crops:
        raise DataError(f"{where} holds no crops; {_FIX}")
    images = np.stack(crops)
    return CalibrationImages(images, digest_of(images), plan)


def digest_of(images: UInt8Array) -> str:
    """Returns the SHA-256 of a set's pixels."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def pack_images(images: Sequence[UInt8Array], plan: str | None = None) -> bytes:
    """Returns a calibration set as the bytes of its file; equal images give equal bytes.

    Args:
        images: uint8 `[256, 256, 3]` RGB crops.
        plan: A plan as JSON text.
    """
    arrays: dict[str, Any] = {f"crop_{k:04}": _encode(image) for k, image in enumerate(images)}
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
    with PILImage.open(io.BytesIO(data.tobytes()), formats=["WEBP"]) as image:
        pixels = np.asarray(image.convert("RGB"))
    if pixels.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise ValueError(f"crops must be {CROP_SIZE} px square, got {list(pixels.shape)}")
    return pixels
