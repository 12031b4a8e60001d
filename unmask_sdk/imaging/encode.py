"""Writes images; a file is complete, or as it was before."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.output_paths import why_not_writable
from unmask_sdk.core.quiet import logged_pillow_warnings
from unmask_sdk.core.validate import check_integer
from unmask_sdk.errors import ImageReadError, ImageWriteError

from . import exif, xmp
from .decode import Extras

DEFAULT_QUALITY = 95

# What Pillow raises besides OSError, such as on EXIF that it does not understand.
_REFUSALS = (
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    struct.error,
)


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
    """

    name: str
    alpha: bool
    metadata: bool
    lossy: bool
    max_side: int
    options: Mapping[str, Any]
    max_exif: int = 2**31 - 1
    max_xmp: int = 2**31 - 1


_JPEG = OutputFormat(
    "JPEG", False, True, True, 65_500, {"subsampling": "4:4:4"}, 65_533, xmp.MAX_SEGMENT
)
# Not compressed: Pillow's own writer supports EXIF's inner directories, libtiff's does not.
_TIFF = OutputFormat("TIFF", True, True, False, 2**31 - 1, {})

# By the file name's extension, in lower case.
OUTPUT_FORMATS: Mapping[str, OutputFormat] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": OutputFormat("PNG", True, True, False, 2**31 - 1, {}),
    # `exact` keeps the colors of transparent pixels.
    ".webp": OutputFormat("WEBP", True, True, True, 16_383, {"exact": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": OutputFormat("BMP", False, False, False, 2**31 - 1, {}),
}


def output_format(path: str | os.PathLike[str]) -> OutputFormat:
    """Returns the format for the extension of a file name.

    Raises:
        ImageWriteError: If the name has none of the extensions of `OUTPUT_FORMATS`.
    """
    suffix = Path(path).suffix
    try:
        return OUTPUT_FORMATS[suffix.lower()]
    except KeyError:
        found = f"the extension {suffix!r}" if suffix else "no extension"
        raise ImageWriteError(
            f"{os.fspath(path)} has {found}; images can be written as {', '.join(OUTPUT_FORMATS)}"
        ) from None


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
        strip: Leaves out EXIF and XMP of the photo; transparency, color profile and the notice
            that a region was generated stay.

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
    extras = extras or Extras()
    height, width = pixels.shape[:2]
    if max(height, width) > form.max_side:
        raise ImageWriteError(
            f"{name}: {form.name} can have at most {form.max_side} pixels per side, "
            f"this image is {width}x{height}; write a PNG"
        )
    if strip:
        extras = replace(extras, exif=None, xmp=None)
    options = dict(form.options)
    if form.lossy:
        options["quality"] = int(quality)  # Pillow accepts no other integer type.
    if form.metadata:
        with logged_pillow_warnings():
            options |= _metadata(extras, form, generated)
    image = _layers(pixels, extras.alpha, form.alpha)

    def encode(file: BinaryIO) -> None:
        try:
            with logged_pillow_warnings():
                image.save(file, format=form.name, **options)
        except _REFUSALS as error:
            raise ImageWriteError(f"cannot write {name} as {form.name}: {error}") from error

    return encode


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


def _metadata(extras: Extras, form: OutputFormat, generated: bool) -> dict[str, Any]:
    """Returns Pillow's options for the metadata that the format supports."""
    packet = xmp.build_packet(extras.xmp, generated=generated)
    if packet is not None and len(packet) > form.max_xmp:
        packet = xmp.build_packet(None, generated=generated)
    block = extras.exif if len(extras.exif or b"") <= form.max_exif else None
    options: dict[str, Any] = {}
    if extras.icc is not None:
        options["icc_profile"] = extras.icc
    if form.name == "TIFF":
        block = _tiff_tags(block, packet)
    elif packet is not None:
        options |= _XMP[form.name](packet)
    if block is not None:
        options["exif"] = block
    return options


def _png_text(packet: bytes) -> dict[str, Any]:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {"pnginfo": text}


# Options with which all supported versions of Pillow write an XMP packet.
_XMP: Mapping[str, Callable[[bytes], dict[str, Any]]] = {
    "JPEG": lambda packet: {"extra": xmp.jpeg_segment(packet)},
    "PNG": _png_text,
    "WEBP": lambda packet: {"xmp": packet},
}


def _tiff_tags(block: bytes | None, packet: bytes | None) -> bytes | None:
    tags = Image.Exif()
    try:
        if block is not None:
            tags.load(block)
        return exif.descriptive_tags(tags, packet)
    except (OSError, *_REFUSALS):  # Damaged metadata is no reason to refuse an intact image.
        return exif.descriptive_tags(Image.Exif(), packet)


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
        reason = error.strerror or " ".join(str(error).split())
        raise ImageWriteError(f"cannot write {path}: {reason}") from error
    except ValueError as error:
        raise ImageWriteError(
            f"cannot write {str(path)!r}, it is not a valid path: {error}"
        ) from error
