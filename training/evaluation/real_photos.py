"""Photos of really masked people: no truth to compare with, but a second look tells something."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

import unmask_sdk
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError, ImageReadError
from unmask_sdk.pipeline import MIN_MASK_SHARE

from .stability import Unmask


@dataclass
class RealPhotos:
    """What was seen on real photos.

    Attributes:
        photos: Photos looked at.
        with_face: Photos in which a face was found.
        faces: Faces found.
        masked: Faces on which a mask was found.
        clean: Of these, faces on which a second look, at the result, finds no mask any more.
        rows: Sheet rows: masked, unmasked.
    """

    photos: int = 0
    with_face: int = 0
    faces: int = 0
    masked: int = 0
    clean: int = 0
    rows: list[list[UInt8Array]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The numbers alone."""
        return {name: value for name, value in vars(self).items() if name != "rows"}


def real_photos(folder: Path, unmask: Unmask) -> RealPhotos:
    """Unmasks the photos of a folder and looks for masks again.

    Args:
        folder: Folder of photos; what is no picture is passed over.
        unmask: From a canonical crop to the crop without its mask, and the mask found.

    Raises:
        DataError: If the folder holds no picture.
    """
    seen = RealPhotos()
    # The locator is the shipped one; the unmasker is the one under evaluation.
    with unmask_sdk.load("onnx") as model:
        for path in track(sorted(p for p in folder.rglob("*") if p.is_file()), "real photos"):
            try:
                faces = model(path).faces
            except ImageReadError:
                continue
            seen.photos += 1
            seen.with_face += bool(faces)
            seen.faces += len(faces)
            for face in faces:
                unmasked, mask = unmask(face.original)
                if (mask >= 128).mean() < MIN_MASK_SHARE:
                    continue
                _, left = unmask(unmasked)
                seen.masked += 1
                seen.clean += bool((left >= 128).mean() < MIN_MASK_SHARE)
                seen.rows.append([face.original, unmasked])
    if not seen.photos:
        raise DataError(f"no picture in {folder}")
    return seen
