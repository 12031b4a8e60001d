"""The result for a photo or frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image, ImageShow

from .compositing.blend import blend_coverage
from .core.arrays import UInt8Array
from .core.validate import as_path
from .errors import InvalidInputError, MissingDependencyError
from .face import Face
from .imaging.decode import Extras
from .imaging.encode import OUTPUT_FORMATS, encode_image, losses, write_image
from .imaging.notebook import notebook_png
from .overlay import draw_faces


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A photo with the masks removed.

    Attributes:
        image: uint8 `[H, W, 3]` RGB, whatever the channel order of the input; upright; never the
            array that was passed in. Outside the masks and the seam around them it equals the
            input bit for bit.
        faces: Every face found, masked or not; large and confident ones first, or in the order in
            which the caller gave them. Empty if none was found: then `image` is unchanged.
        timings: Milliseconds per stage: `decode`, `locate`, `align`, `run`, `paste`.
        extras: Transparency, metadata and color of the photo, for `save`.
        notes: Sentences about what could not be kept (16 bits per channel, gain maps) or was not
            processed (faces beyond 256). `save` and `encode` add what their format cannot hold.
    """

    image: UInt8Array
    faces: tuple[Face, ...]
    timings: dict[str, float]
    extras: Extras | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def generated(self) -> UInt8Array:
        """uint8 `[H, W]`: how much of each pixel is generated, 0 (unchanged) to 255.

        Calculated on first access.
        """
        masked = [face for face in self.faces if face.masked]
        return blend_coverage(self.image, [(face.crop, face.mask, face.matrix) for face in masked])

    def overlay(self) -> UInt8Array:
        """Returns a copy of the image with the faces drawn on it, uint8 `[H, W, 3]` RGB.

        Boxes (green: a mask was removed) with confidences, eyes, and outlines of the masks.
        """
        return draw_faces(self.image, self.faces)

    def save(self, path: str | os.PathLike[str], *, quality: int = 95, strip: bool = False) -> None:
        """Writes the image atomically: the file is complete or is not written.

        EXIF, XMP, IPTC, comments, text, resolution and color profile of the photo are kept, and
        its transparency, if the format can hold them; for JPEG and BMP transparency is blended
        with white. What the format cannot hold is added to `notes`. If a mask was removed, the
        file says that a region was generated: IPTC's `DigitalSourceType` in its XMP is
        `compositeWithTrainedAlgorithmicMedia`. BMP holds no metadata.

        Args:
            path: File to write: .jpg, .jpeg, .png, .webp, .tif, .tiff, .avif, .heic, .heif or
                .bmp, in a folder that exists.
            quality: 1 to 100, for JPEG and WebP.
            strip: Leaves out the photo's EXIF (place, time, camera), XMP, IPTC, comments and text.
                Color, resolution and the mark that a region was generated stay.

        Raises:
            ImageWriteError: If the extension is not supported, or the file cannot be written.
            InvalidInputError: If `path` is not a path, or `quality` is not a whole number from 1
                to 100.
        """
        if hasattr(path, "write"):
            raise InvalidInputError(
                f"path must be a path; for an open file use file.write(result.encode('png')); "
                f"got {path!r}"
            )
        file = as_path("path", path)
        write_image(
            file, self.image, self.extras, quality=quality, generated=self._altered, strip=strip
        )
        self._note_losses(file.suffix, strip)

    def encode(self, format: str = "png", *, quality: int = 95, strip: bool = False) -> bytes:
        """Returns the content of the file that `save` would write.

        Args:
            format: jpg, jpeg, png, webp, tif, tiff, avif, heic, heif or bmp.
            quality: 1 to 100, for JPEG and WebP.
            strip: As for `save`.

        Raises:
            ImageWriteError: If the format is not supported, or cannot hold an image this large.
            InvalidInputError: If `quality` is not a whole number from 1 to 100.
        """
        content = encode_image(
            format, self.image, self.extras, quality=quality, generated=self._altered, strip=strip
        )
        self._note_losses(f".{format.removeprefix('.')}", strip)
        return content

    def show(self) -> None:
        """Opens the image in the viewer of this device, as Pillow's `Image.show` does.

        The viewer gets a temporary file and the call returns at once. A notebook shows a result
        that is the last line of a cell by itself.

        Raises:
            MissingDependencyError: If Pillow finds no viewer.
        """
        if not ImageShow.show(Image.fromarray(self.image)):
            raise MissingDependencyError(
                "Pillow finds no program here that shows images (on Linux: xdg-open, display, gm "
                "or eog); install one, or use result.save('unmasked.png')"
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the pixels as plain data that `json.dumps` takes.

        `size` is [width, height]; `faces` holds `Face.to_dict()` of each face.
        """
        height, width = self.image.shape[:2]
        return {
            "size": [width, height],
            "faces": [face.to_dict() for face in self.faces],
            "timings": {stage: float(taken) for stage, taken in self.timings.items()},
            "notes": list(self.notes),
        }

    def _note_losses(self, suffix: str, strip: bool) -> None:
        form = OUTPUT_FORMATS[suffix.lower()]
        lost = losses(form, self.extras, generated=self._altered, strip=strip)
        new = tuple(note for note in lost if note not in self.notes)
        object.__setattr__(self, "notes", self.notes + new)

    @property
    def _altered(self) -> bool:
        return any(face.masked for face in self.faces)

    def _repr_png_(self) -> bytes:
        """Returns what a notebook shows."""
        return notebook_png(self.image)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        masked = sum(face.masked for face in self.faces)
        total = sum(self.timings.values())
        return (
            f"Result({width}x{height}, faces: {len(self.faces)}, masks removed: {masked}, "
            f"{total:.0f} ms)"
        )
