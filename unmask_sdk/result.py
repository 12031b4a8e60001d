"""What comes back from a photo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array

from .errors import InvalidInputError

if TYPE_CHECKING:
    from .imaging.decode import Extras


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """One face of a photo.

    Attributes:
        box: (x0, y0, x1, y1) in the photo's pixels, forehead to chin; may reach beyond the photo.
        eyes: float64 `[2, 2]`, (x, y) of the eye centres in the photo's pixels, the picture's
            left one first.
        confidence: 0..1, how sure the locator is; 1 for eyes that the caller gave.
        masked: Whether a mask was found and taken off. If not, the photo is as it was here.
        mask: uint8 `[S, S]`, in the crop: 128 to 255 is mask, 1 to 127 the seam round it, in
            which the generated picture fades out, 0 as it was; all 0 if not masked.
            S is the network's size, 256.
        crop: uint8 `[S, S, 3]` RGB, the aligned face without its mask.
        original: uint8 `[S, S, 3]` RGB, the aligned face as it was.
        matrix: float64 `[2, 3]`, from the photo's pixels to the crop's.
        track: In a video or stream the number of the face, the same in every frame; None in a
            photo.
    """

    box: tuple[float, float, float, float]
    eyes: Float64Array
    confidence: float
    masked: bool
    mask: UInt8Array
    crop: UInt8Array
    original: UInt8Array
    matrix: Float64Array
    track: int | None = None

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the crop before and after."""
        from .overlay import png

        return png(np.hstack([self.original, self.crop]))

    def __repr__(self) -> str:
        box = ", ".join(f"{v:.0f}" for v in self.box)
        state = "mask taken off" if self.masked else "no mask"
        return f"Face(({box}), {state}, confidence {self.confidence:.2f})"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A photo with the masks taken off.

    Attributes:
        image: uint8 `[H, W, 3]` RGB, whatever the order of the input; upright; never the array
            that was passed in. Outside the masks and a seam round them it is the input bit for
            bit.
        faces: Every face found, masked or not; large and sure ones first, or in the order in which
            the caller gave them. Empty if none was found: then `image` is the photo unchanged.
        timings: Milliseconds by stage: `decode`, `locate`, `align`, `run`, `paste`.
        extras: Transparency, EXIF, XMP and colour profile of the photo, for `save`.
        notes: What of the photo's pixels could not be kept (16 bits a channel), or not looked at
            (faces beyond 256), in words.
    """

    image: UInt8Array
    faces: tuple[Face, ...]
    timings: dict[str, float]
    extras: Extras | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def generated(self) -> UInt8Array:
        """uint8 `[H, W]`: how much of each pixel is generated, 0 (the photo's own) to 255.

        Calculated when it is first asked for.
        """
        from .compositing.blend import coverage

        masked = [face for face in self.faces if face.masked]
        return coverage(self.image, [(face.crop, face.mask, face.matrix) for face in masked])

    def overlay(self) -> UInt8Array:
        """Gives a copy of the picture with what was seen drawn on it, uint8 `[H, W, 3]` RGB.

        Boxes (green: a mask was taken off) with confidences, eyes, and outlines of the masks.
        """
        from .overlay import draw

        return draw(self.image, self.faces)

    def save(self, path: str | os.PathLike[str], *, quality: int = 95, strip: bool = False) -> None:
        """Writes the picture; the file is there whole or not at all.

        EXIF, XMP and colour profile of the photo are kept, and its transparency where the format
        holds it; JPEG and BMP do not, there it is laid on white. If a mask was taken off, the file
        says that a region was generated: IPTC's `DigitalSourceType` in its XMP is
        `compositeWithTrainedAlgorithmicMedia`. BMP holds no metadata at all.

        Args:
            path: File to write: .jpg, .jpeg, .png, .webp, .tif, .tiff or .bmp, in a folder that
                exists.
            quality: 1 to 100, for JPEG and WebP.
            strip: Leaves out the photo's EXIF (place, time, camera) and XMP. Colour profile and
                the notice that a region was generated stay.

        Raises:
            ImageWriteError: If the extension is another, or the file cannot be written.
            InvalidInputError: If `path` is none, or `quality` is no whole number or out of range.
        """
        from .core.validate import as_path
        from .imaging.encode import write

        if hasattr(path, "write"):
            raise InvalidInputError(
                f"path must be a path; to an open file write result.encode('png'); got {path!r}"
            )
        file = as_path("path", path)
        write(file, self.image, self.extras, quality=quality, generated=self._altered, strip=strip)

    def encode(self, format: str = "png", *, quality: int = 95, strip: bool = False) -> bytes:
        """Gives the content of the file that `save` would write.

        Args:
            format: jpg, jpeg, png, webp, tif, tiff or bmp.
            quality: 1 to 100, for JPEG and WebP.
            strip: As for `save`.

        Raises:
            ImageWriteError: If there is no such format, or it cannot hold so large a picture.
            InvalidInputError: If `quality` is no whole number, or out of range.
        """
        from .imaging.encode import to_bytes

        return to_bytes(
            format, self.image, self.extras, quality=quality, generated=self._altered, strip=strip
        )

    @property
    def _altered(self) -> bool:
        return any(face.masked for face in self.faces)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from .overlay import png

        return png(self.image)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        masked = sum(face.masked for face in self.faces)
        total = sum(self.timings.values())
        return (
            f"Result({width}x{height}, faces: {len(self.faces)}, masks taken off: {masked}, "
            f"{total:.0f} ms)"
        )
