"""Processes one image from file to file, for `unmask image` and `unmask folder`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unmask_sdk.cli.streams import binary_stdin, binary_stdout
from unmask_sdk.core.error_text import one_line
from unmask_sdk.errors import ImageWriteError, NoFaceError, UnmaskError

from .targets import PIPE

if TYPE_CHECKING:
    from unmask_sdk.result import Result
    from unmask_sdk.unmasker import Unmasker


@dataclass(frozen=True)
class Options:
    """How results are written.

    Attributes:
        quality: 1 to 100, for JPEG and WebP.
        strip: Whether what tells of people is left out: EXIF, XMP, IPTC, comments and text.
        side_by_side: Whether the original photo is put to the left of the result.
        without_faces: Whether a photo without any face is written too, unchanged.
    """

    quality: int = 95
    strip: bool = False
    side_by_side: bool = False
    without_faces: bool = False


@dataclass(frozen=True)
class Done:
    """What was done with one image.

    Attributes:
        faces: Number of faces found.
        masked: Number of faces whose mask was removed.
        copied: Whether the file was copied byte for byte.
        milliseconds: Time from reading to blending.
        note: What of the photo the result does not keep; empty if nothing.
    """

    faces: int
    masked: int
    copied: bool
    milliseconds: float
    note: str = ""

    def __str__(self) -> str:
        found = f"{self.faces} face" if self.faces == 1 else f"{self.faces or 'no'} faces"
        note = f"; {self.note}" if self.note else ""
        if self.masked:
            return f"{found}, {self.masked} unmasked, {self.milliseconds:.0f} ms{note}"
        return f"{found}, no mask found" + ("; the image is unchanged" if self.copied else note)


def unmask_file(model: Unmasker, source: Path, target: Path, options: Options) -> Done:
    """Unmasks one image; the target is written atomically.

    `PIPE` as the source is stdin, as the target stdout, to which a PNG is written.

    If no mask was found and the format stays the same, the file is copied byte for byte, because
    encoding it again would only reduce its quality.

    Raises:
        NoFaceError: If there is no face, and `options.without_faces` is False.
        ImageReadError: If the image cannot be read.
        ImageWriteError: If the result cannot be written.
        RuntimeUnavailableError: If the engine fails.
    """
    from unmask_sdk.imaging.decode import stored_format
    from unmask_sdk.imaging.encode import copy_image, output_format

    content = binary_stdin().read() if source == PIPE else source
    result = model(content)
    masked = sum(face.masked for face in result.faces)
    plain = not masked and not options.side_by_side and not options.strip
    unchanged = plain and target != PIPE and stored_format(content) == output_format(target).name
    if not result.faces and not options.without_faces:
        raise NoFaceError(
            f"no face found in {_name(source)}; nothing was written for it; `unmask folder` copies "
            "photos without faces"
        )
    shown = _side_by_side(content, result) if options.side_by_side else result
    if target == PIPE:
        binary_stdout().write(shown.encode("png", strip=options.strip))
        return _done(shown, copied=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(
            f"cannot create the folder {target.parent}: {error.strerror}"
        ) from error
    if unchanged:
        copy_image(content, target)
    else:
        shown.save(target, quality=options.quality, strip=options.strip)
    return _done(shown, copied=unchanged)


def _done(result: Result, copied: bool) -> Done:
    masked = sum(face.masked for face in result.faces)
    took = sum(result.timings.values())
    return Done(len(result.faces), masked, copied, took, "; ".join(result.notes))


def attempt(
    model: Unmasker, source: Path, target: Path, options: Options
) -> tuple[Done | None, str | None]:
    """Calls `unmask_file`, and returns a failure as one line, so that other images continue."""
    try:
        return unmask_file(model, source, target, options), None
    except (UnmaskError, OSError, MemoryError) as error:
        message, name = one_line(error), _name(source)
        return None, message if name in message else f"{name}: {message}"


def _name(source: Path) -> str:
    return "stdin" if source == PIPE else str(source)


def _side_by_side(source: Path | bytes, result: Result) -> Result:
    """Puts the original photo to the left of the result."""
    import numpy as np

    from unmask_sdk.imaging.decode import read_photo

    before = read_photo(source)
    alpha = before.extras.alpha
    return replace(
        result,
        image=np.hstack([before.pixels, result.image]),
        extras=replace(before.extras, alpha=None if alpha is None else np.hstack([alpha, alpha])),
    )
