"""Photos of people with real masks: without a truth, but a second pass must find no mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

import unmask_sdk
from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import DataError, ImageReadError
from unmask_sdk.pipeline import MIN_MASK_SHARE

from .kid import CROP, FaceFeatures
from .stability import UnmaskFn


@dataclass(frozen=True, eq=False)
class PhotoRow:
    """One face of the contact sheets, or a photo without one.

    Attributes:
        title: Name of the photo, and what was found.
        images: Before and after, uint8 `[256, 256, 3]` RGB each.
    """

    title: str
    images: tuple[UInt8Array, UInt8Array]


@dataclass
class RealPhotos:
    """Counts over real photos.

    Attributes:
        photos: Photos processed.
        with_face: Photos in which a face was found.
        faces: Faces found.
        masked: Faces on which a mask was found.
        clean: Of these, faces on which a second pass, over the result, finds no mask.
        rows: What the contact sheets show: every photo.
        before: Features of the masked faces, `[masked, 1280]`; None if KID is not measured.
        after: Features of the same faces unmasked.
    """

    photos: int = 0
    with_face: int = 0
    faces: int = 0
    masked: int = 0
    clean: int = 0
    rows: list[PhotoRow] = field(default_factory=list)
    before: Float64Array | None = None
    after: Float64Array | None = None

    def counts(self) -> dict[str, int]:
        """Returns the counts by name."""
        names = ("photos", "with_face", "faces", "masked", "clean")
        return {name: getattr(self, name) for name in names}


def real_photos(folder: Path, unmask: UnmaskFn, features: FaceFeatures | None = None) -> RealPhotos:
    """Unmasks the photos of a folder, and looks for masks in the results.

    Args:
        folder: Folder of photos; other files are skipped.
        unmask: Unmasks a canonical crop.
        features: Computes what KID compares.

    Raises:
        DataError: If the folder holds no image.
    """
    found = RealPhotos()
    pairs: list[tuple[UInt8Array, UInt8Array]] = []
    # The locator is the shipped one; the unmasker is the one under evaluation.
    with unmask_sdk.load("onnx") as model:
        for path in track(sorted(p for p in folder.rglob("*") if p.is_file()), "real photos"):
            try:
                result = model(path)
            except ImageReadError:
                continue
            name = path.relative_to(folder).as_posix()
            found.photos += 1
            found.with_face += bool(result.faces)
            found.faces += len(result.faces)
            if not result.faces:
                shown = _fit(result.image)
                found.rows.append(PhotoRow(f"{name}: no face", (shown, np.zeros_like(shown))))
            for face in result.faces:
                unmasked, mask = unmask(face.original)
                if (mask >= 128).mean() < MIN_MASK_SHARE:
                    found.rows.append(PhotoRow(f"{name}: no mask", (face.original, face.original)))
                    continue
                _, residue = unmask(unmasked)
                clean = bool((residue >= 128).mean() < MIN_MASK_SHARE)
                found.masked += 1
                found.clean += clean
                pairs.append((face.original, unmasked))
                title = name if clean else f"{name}: mask left"
                found.rows.append(PhotoRow(title, pairs[-1]))
    if not found.photos:
        raise DataError(f"no image in {folder}")
    if features:
        found.before = features([before for before, _ in pairs])
        found.after = features([after for _, after in pairs])
    return found


def _fit(photo: UInt8Array) -> UInt8Array:
    """Fits a photo into a square of the crops' size, uint8 `[256, 256, 3]`."""
    height, width = photo.shape[:2]
    scale = CROP / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.zeros((CROP, CROP, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return square
