"""Photos of people with real masks: without a truth, but a second pass must find no mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

import unmask_sdk
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError, ImageReadError
from unmask_sdk.pipeline import MIN_MASK_SHARE

from .stability import UnmaskFn


@dataclass
class RealPhotos:
    """Counts over real photos.

    Attributes:
        photos: Photos processed.
        with_face: Photos in which a face was found.
        faces: Faces found.
        masked: Faces on which a mask was found.
        clean: Of these, faces on which a second pass, over the result, finds no mask.
        rows: Rows of the contact sheet: masked, unmasked.
    """

    photos: int = 0
    with_face: int = 0
    faces: int = 0
    masked: int = 0
    clean: int = 0
    rows: list[list[UInt8Array]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Returns the counts by name."""
        return {name: value for name, value in vars(self).items() if name != "rows"}


def real_photos(folder: Path, unmask: UnmaskFn) -> RealPhotos:
    """Unmasks the photos of a folder, and looks for masks in the results.

    Args:
        folder: Folder of photos; other files are skipped.
        unmask: Unmasks a canonical crop.

    Raises:
        DataError: If the folder holds no image.
    """
    counts = RealPhotos()
    # The locator is the shipped one; the unmasker is the one under evaluation.
    with unmask_sdk.load("onnx") as model:
        for path in track(sorted(p for p in folder.rglob("*") if p.is_file()), "real photos"):
            try:
                faces = model(path).faces
            except ImageReadError:
                continue
            counts.photos += 1
            counts.with_face += bool(faces)
            counts.faces += len(faces)
            for face in faces:
                unmasked, mask = unmask(face.original)
                if (mask >= 128).mean() < MIN_MASK_SHARE:
                    continue
                _, residue = unmask(unmasked)
                counts.masked += 1
                counts.clean += bool((residue >= 128).mean() < MIN_MASK_SHARE)
                counts.rows.append([face.original, unmasked])
    if not counts.photos:
        raise DataError(f"no image in {folder}")
    return counts
