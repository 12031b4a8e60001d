"""What comes back from a photo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from .compositing.blend import coverage
from .core.arrays import UInt8Array
from .core.validate import as_path
from .errors import InvalidInputError
from .face import Face
from .imaging.decode import Extras
from .imaging.encode import to_bytes, write
from .imaging.notebook import notebook_png
from .overlay import draw_faces


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
        masked = [face for face in self.faces if face.masked]
        return coverage(self.image, [(face.crop, face.mask, face.matrix) for face in masked])

    def overlay(self) -> UInt8Array:
        """Gives a copy of the picture with what was seen drawn on it, uint8 `[H, W, 3]` RGB.

        Boxes (green: a mask was taken off) with confidences, eyes, and outlines of the masks.
        """
        return draw_faces(self.image, self.faces)

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
        return to_bytes(
            format, self.image, self.extras, quality=quality, generated=self._altered, strip=strip
        )

    @property
    def _altered(self) -> bool:
        return any(face.masked for face in self.faces)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return notebook_png(self.image)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        masked = sum(face.masked for face in self.faces)
        total = sum(self.timings.values())
        return (
            f"Result({width}x{height}, faces: {len(self.faces)}, masks taken off: {masked}, "
            f"{total:.0f} ms)"
        )
