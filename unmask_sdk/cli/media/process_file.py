"""Processes one image from file to file, for `unmask image` and `unmask folder`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from unmask_sdk.cli.streams import binary_stdin, binary_stdout
from unmask_sdk.core.error_text import one_line
from unmask_sdk.errors import ImageWriteError, NoFaceError, UnmaskError

from .targets import PIPE

if TYPE_CHECKING:
    from unmask_sdk.result import Result
    from unmask_sdk.unmasker import Unmasker


# What is written for a photo.
Content: TypeAlias = Literal["result", "side-by-side", "mask", "overlay"]


@dataclass(frozen=True)
class Options:
    """How results are written.

    Attributes:
        quality: 1 to 100, for JPEG and WebP.
        strip: Whether what tells of people is left out: EXIF, XMP, IPTC, comments and text.
        content: What is written: the result; the photo with the result to its right; how much of
            each pixel is generated; or the result with what was found drawn on it.
        without_faces: Whether a photo without any face is written too, unchanged.
    """

    quality: int = 95
    strip: bool = False
    content: Content = "result"
    without_faces: bool = False


@dataclass(frozen=True)
class Done:
    """What was done with one image.

    Attributes:
        found: `Result.to_dict()`.
        copied: Whether the file was copied byte for byte.
    """

    found: dict[str, Any]
    copied: bool

    @property
    def faces(self) -> int:
        """Number of faces found."""
        return len(self.found["faces"])

    @property
    def masked(self) -> int:
        """Number of faces whose mask was removed."""
        return sum(face["masked"] for face in self.found["faces"])

    def __str__(self) -> str:
        count = f"{self.faces} face" if self.faces == 1 else f"{self.faces or 'no'} faces"
        note = "".join(f"; {note}" for note in self.found["notes"])
        if self.masked:
            milliseconds = sum(self.found["timings"].values())
            return f"{count}, {self.masked} unmasked, {milliseconds:.0f} ms{note}"
        return f"{count}, no mask found" + ("; the image is unchanged" if self.copied else note)


@dataclass(frozen=True)
class Failed:
    """Why an image was not processed.

    Attributes:
        kind: Name of the error's class.
        message: What was wrong, on one line.
    """

    kind: str
    message: str

    @classmethod
    def of(cls, error: BaseException, source: str) -> Failed:
        """Describes an error; its message names the image."""
        message = one_line(error)
        return cls(type(error).__name__, message if source in message else f"{source}: {message}")


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
    from unmask_sdk.imaging.encode import copy_image, output_format, write_image

    content = binary_stdin().read() if source == PIPE else source
    result = model(content)
    masked = sum(face.masked for face in result.faces)
    plain = not masked and options.content == "result" and not options.strip
    unchanged = plain and target != PIPE and stored_format(content) == output_format(target).name
    if not result.faces and not options.without_faces:
        raise NoFaceError(
            f"no face found in {_name(source)}; nothing was written for it; `unmask folder` copies "
            "photos without faces"
        )
    shown = _shown(content, result, options.content)
    if target == PIPE:
        binary_stdout().write(_encode(shown, options))
        return _done(result, shown, copied=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(
            f"cannot create the folder {target.parent}: {error.strerror}; choose another"
        ) from error
    if unchanged:
        copy_image(content, target)
    elif options.content == "mask":
        # A mask is no picture of anybody: it takes over no metadata, and is not marked.
        write_image(target, result.generated, quality=options.quality)
    else:
        shown.save(target, quality=options.quality, strip=options.strip)
    return _done(result, shown, copied=unchanged)


def _done(result: Result, shown: Result, copied: bool) -> Done:
    # What could not be kept was noted as it was written; the size is that of the photo.
    return Done({**result.to_dict(), "notes": list(shown.notes)}, copied)


def _encode(result: Result, options: Options) -> bytes:
    """Returns a PNG for stdout."""
    from unmask_sdk.imaging.encode import encode_image

    if options.content == "mask":
        return encode_image("png", result.generated)
    return result.encode("png", strip=options.strip)


def attempt(
    model: Unmasker, source: Path, target: Path, options: Options
) -> tuple[Done | None, Failed | None]:
    """Calls `unmask_file`, and returns a failure instead, so that other images continue."""
    try:
        return unmask_file(model, source, target, options), None
    except (UnmaskError, OSError, MemoryError) as error:
        return None, Failed.of(error, _name(source))


def _name(source: Path) -> str:
    return "stdin" if source == PIPE else str(source)


def _shown(source: Path | bytes, result: Result, content: Content) -> Result:
    """Returns the result as it is written; a mask has its own way to a file."""
    if content == "side-by-side":
        return _side_by_side(source, result)
    return replace(result, image=result.overlay()) if content == "overlay" else result


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
