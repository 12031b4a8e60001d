"""Writes images; a file is complete, or as it was before."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.output_paths import why_not_writable
from unmask_sdk.core.quiet import logged_pillow_warnings
from unmask_sdk.core.validate import check_integer
from unmask_sdk.errors import ImageReadError, ImageWriteError

from . import heif, png_chunks, xmp
from .decode import Extras
from .metadata_options import REFUSALS, metadata_options

DEFAULT_QUALITY = 95


@dataclass(frozen=True)
class OutputFormat:
    """An image format that can be written.

    Attributes:
        name: Pillow's name.
        alpha: Whether it supports transparency. If not, the image is composited on white.
        metadata: Whether it supports EXIF, XMP and a color profile.
        lossy: Whether it has a quality setting.
        max_side: Longest possible side, in pixels.
        options: Options for Pillow.
        max_exif: Longest possible EXIF block, in bytes.
        max_xmp: Longest possible XMP packet, in bytes.
        holds: Which other fields of `Extras` it can hold.
    """

    name: str
    alpha: bool
    metadata: bool
    lossy: bool
    max_side: int
    options: Mapping[str, Any]
    max_exif: int = 2**31 - 1
    max_xmp: int = 2**31 - 1
    holds: tuple[str, ...] = ()


_JPEG = OutputFormat(
    "JPEG",
    alpha=False,
    metadata=True,
    lossy=True,
    max_side=65_500,
    options={"subsampling": "4:4:4"},
    max_exif=65_533,
    max_xmp=xmp.MAX_SEGMENT,
    holds=("iptc", "comment", "dpi"),
)
# Not compressed: Pillow's own writer supports EXIF's inner directories, libtiff's does not.
_TIFF = OutputFormat("TIFF", True, True, False, 2**31 - 1, {}, holds=("iptc", "dpi"))
_HEIC = OutputFormat("HEIF", True, True, True, 16_384, {"subsampling": "4:4:4"})
_PNG_FIELDS = ("iptc", "comment", "text", "dpi", "color")

# What writers fill in that know no resolution, in pixels per inch.
_UNKNOWN_DPI = (72, 96)

# By the file name's extension, in lower case.
OUTPUT_FORMATS: Mapping[str, OutputFormat] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": OutputFormat("PNG", True, True, False, 2**31 - 1, {}, holds=_PNG_FIELDS),
    # `exact` keeps the colors of transparent pixels.
    ".webp": OutputFormat("WEBP", True, True, True, 16_383, {"exact": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".avif": OutputFormat("AVIF", True, True, True, 65_536, {"subsampling": "4:4:4"}),
    ".heic": _HEIC,
    ".heif": _HEIC,
    ".bmp": OutputFormat("BMP", False, False, False, 2**31 - 1, {}, holds=("dpi",)),
}


def output_format(path: str | os.PathLike[str]) -> OutputFormat:
    """Returns the format for the extension of a file name.

    Raises:
        ImageWriteError: If the name has none of the extensions of `OUTPUT_FORMATS`.
    """
    suffix = Path(path).suffix
    try:
        form = OUTPUT_FORMATS[suffix.lower()]
    except KeyError:
        found = f"the extension {suffix!r}" if suffix else "no extension"
        raise ImageWriteError(
            f"{os.fspath(path)} has {found}; images can be written as {', '.join(OUTPUT_FORMATS)}"
        ) from None
    lacking = heif.why_not_writable(form.name)
    if lacking is not None:
        raise ImageWriteError(f"{os.fspath(path)} cannot be written: {lacking}")
    return form


def write_image(
    path: str | os.PathLike[str],
    pixels: UInt8Array,
    extras: Extras | None = None,
    *,
    quality: int = DEFAULT_QUALITY,
    generated: bool = False,
    strip: bool = False,
) -> None:
    """Writes an image in the format of its name's extension.

    Transparency, EXIF, XMP and color profile are written if the format supports them. JPEG and BMP
    do not support transparency: the image is composited on white. An existing file is replaced
    only when the new one is complete.

    Args:
        path: File to write; its folder must exist.
        pixels: uint8 `[H, W, 3]` RGB.
        extras: Transparency and metadata.
        quality: 1 to 100, for JPEG (always 4:4:4) and WebP.
        generated: Whether a region was generated; this is then noted in the XMP (BMP has none).
        strip: Leaves out EXIF, XMP, IPTC, comments and text of the photo; transparency, color,
            resolution and the notice that a region was generated stay.

    Raises:
        ImageWriteError: If the extension is not one of `OUTPUT_FORMATS`, the format does not
            support an image of this size, or the file cannot be written.
        InvalidInputError: If `quality` is not an integer, or out of range.
    """
    form = output_format(path)
    _check(Path(path))
    encode = _encoder(os.fspath(path), form, pixels, extras, quality, generated, strip)
    _replace(Path(path), encode)


def encode_image(
    format: str,
    pixels: UInt8Array,
    extras: Extras | None = None,
    *,
    quality: int = DEFAULT_QUALITY,
    generated: bool = False,
    strip: bool = False,
) -> bytes:
    """Returns the content of the file that `write_image` would write.

    Args:
        format: An extension of `OUTPUT_FORMATS`, such as `png`, with or without the dot.
        pixels: As for `write_image`.
        extras: As for `write_image`.
        quality: As for `write_image`.
        generated: As for `write_image`.
        strip: As for `write_image`.

    Raises:
        ImageWriteError: If there is no such format, or it does not support an image of this size.
        InvalidInputError: If `quality` is not an integer, or out of range.
    """
    form = OUTPUT_FORMATS.get(f".{str(format).removeprefix('.')}".lower())
    if form is None:
        names = ", ".join(suffix[1:] for suffix in OUTPUT_FORMATS)
        raise ImageWriteError(f"there is no format {format!r}; images can be written as {names}")
    file = io.BytesIO()
    _encoder("the image", form, pixels, extras, quality, generated, strip)(file)
    return file.getvalue()


def _encoder(
    name: str,
    form: OutputFormat,
    pixels: UInt8Array,
    extras: Extras | None,
    quality: int,
    generated: bool,
    strip: bool,
) -> Callable[[BinaryIO], None]:
    """Returns a function that writes an image to an open file; `name` is for error messages."""
    check_integer("quality", quality, 1, 100)
    lacking = heif.why_not_writable(form.name)
    if lacking is not None:
        raise ImageWriteError(f"{name} cannot be written: {lacking}")
    extras = extras or Extras()
    height, width = pixels.shape[:2]
    if max(height, width) > form.max_side:
        raise ImageWriteError(
            f"{name}: {form.name} can have at most {form.max_side} pixels per side, "
            f"this image is {width}x{height}; write a PNG"
        )
    extras = for_strangers(extras) if strip else extras
    options = dict(form.options)
    if form.lossy:
        options["quality"] = int(quality)  # Pillow accepts no other integer type.
    if extras.dpi is not None and "dpi" in form.holds:
        options["dpi"] = extras.dpi
    if form.metadata:
        with logged_pillow_warnings():
            options |= metadata_options(extras, form.name, generated, form.max_exif, form.max_xmp)
    image = _layers(pixels, extras.alpha, form.alpha)

    def encode(file: BinaryIO) -> None:
        try:
            with logged_pillow_warnings():
                if form.name == "HEIF":
                    heif.save_heic(image, file, **options)
                else:
                    image.save(file, format=form.name, **options)
        except REFUSALS as error:
            raise ImageWriteError(f"cannot write {name} as {form.name}: {error}") from error

    return encode


def for_strangers(extras: Extras) -> Extras:
    """Returns what tells nothing of people: transparency, color and resolution."""
    return replace(extras, exif=None, xmp=None, iptc=None, comment=None, text=())


def losses(
    format: OutputFormat, extras: Extras | None, *, generated: bool, strip: bool
) -> tuple[str, ...]:
    """Returns a sentence about what a format cannot hold of a photo; empty if it holds all."""
    extras = extras or Extras()
    kept = for_strangers(extras) if strip else extras
    lost = ["transparency (blended with white)"] if kept.alpha is not None else []
    lost = [] if format.alpha else lost
    packet = xmp.build_packet(kept.xmp, generated=generated) or b""
    if kept.exif and (not format.metadata or len(kept.exif) > format.max_exif):
        lost.append("EXIF")
    if kept.xmp and (not format.metadata or len(packet) > format.max_xmp):
        lost.append("XMP")
    if generated and not format.metadata:
        lost.append("the mark that a region was generated")
    if kept.icc and not format.metadata:
        lost.append("color profile")
    if kept.iptc and "iptc" not in format.holds:
        lost.append("IPTC (caption, credit, copyright)")
    if kept.comment and "comment" not in format.holds:
        lost.append("comment")
    if kept.text and "text" not in format.holds:
        lost.append(f"text ({', '.join(key for key, _ in kept.text)})")
    if kept.dpi and round(kept.dpi[0]) not in _UNKNOWN_DPI and "dpi" not in format.holds:
        lost.append(f"resolution ({kept.dpi[0]:.0f} dpi)")
    if not kept.icc and "color" not in format.holds:
        lost += png_chunks.meanings(kept.color)
    lost += png_chunks.unwritten(kept.color)
    return (f"{format.name} cannot hold: {', '.join(lost)}",) if lost else ()


def copy_image(source: str | os.PathLike[str] | bytes, path: str | os.PathLike[str]) -> None:
    """Copies an image file, or its content, byte for byte.

    An existing file is replaced as by `write_image`.

    Raises:
        ImageReadError: If `source` cannot be read.
        ImageWriteError: If the file cannot be written.
    """
    _check(Path(path))
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise ImageReadError(f"{source!s} cannot be read: {error.strerror}") from error
    _replace(Path(path), content)


def _layers(pixels: UInt8Array, alpha: UInt8Array | None, keep: bool) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if alpha is None:
        return image
    opacity = Image.fromarray(alpha)
    if keep:
        image.putalpha(opacity)
        return image
    return Image.composite(image, Image.new("RGB", image.size, "white"), opacity)


def _check(path: Path) -> None:
    reason = why_not_writable(path)
    if reason is not None:
        raise ImageWriteError(f"cannot write {path}: {reason}")


def _replace(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    try:
        atomic_write(path, content)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ImageWriteError(f"cannot write {path}: {reason}") from error
    except ValueError as error:
        raise ImageWriteError(
            f"cannot write {str(path)!r}, it is not a valid path: {error}"
        ) from error
