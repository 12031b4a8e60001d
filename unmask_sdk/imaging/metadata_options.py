"""The options with which Pillow writes metadata."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, PngImagePlugin

from . import exif, photoshop, png_chunks, xmp
from .decode import Extras

# What Pillow raises besides OSError, such as on EXIF that it does not understand.
REFUSALS = (
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    struct.error,
)

# Longest segment of a JPEG, without its length.
_MAX_SEGMENT = 65_533


def metadata_options(
    extras: Extras, form: str, generated: bool, max_exif: int, max_xmp: int
) -> dict[str, Any]:
    """Returns Pillow's options for the metadata that a format holds.

    Args:
        extras: What to write.
        form: Pillow's name of the format.
        generated: Whether a region of the image was generated.
        max_exif: Longest possible EXIF block, in bytes.
        max_xmp: Longest possible XMP packet, in bytes.
    """
    packet = xmp.build_packet(extras.xmp, generated=generated)
    if packet is not None and len(packet) > max_xmp:
        packet = xmp.build_packet(None, generated=generated)
    block = extras.exif if len(extras.exif or b"") <= max_exif else None
    options: dict[str, Any] = {}
    if extras.icc is not None:
        options["icc_profile"] = extras.icc
    if form == "TIFF":
        block = _tiff_tags(block, packet, extras.iptc)
    else:
        options |= _WRITERS[form](extras, packet)
    if block is not None:
        options["exif"] = block
    return options


def _jpeg(extras: Extras, packet: bytes | None) -> dict[str, Any]:
    segments = b"" if packet is None else xmp.jpeg_segment(packet)
    if extras.iptc is not None and len(extras.iptc) <= photoshop.MAX_SEGMENT:
        segments += _segment(0xED, photoshop.JPEG + extras.iptc)
    if extras.comment is not None:
        segments += _segment(0xFE, extras.comment[:_MAX_SEGMENT])
    return {"extra": segments} if segments else {}


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _png(extras: Extras, packet: bytes | None) -> dict[str, Any]:
    info = PngImagePlugin.PngInfo()
    for name, content in extras.color:
        # A PNG holds either a profile or the statement that it is sRGB.
        if name in png_chunks.WRITTEN and not (name == b"sRGB" and extras.icc is not None):
            info.add(name, content)
    if packet is not None:
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
    if extras.iptc is not None:
        lines = "\n".join(extras.iptc.hex()[i : i + 72] for i in range(0, len(extras.iptc) * 2, 72))
        info.add_text("Raw profile type iptc", f"\niptc\n{len(extras.iptc):8}\n{lines}\n", zip=True)
    comment = () if extras.comment is None else (("Comment", _decoded(extras.comment)),)
    for key, value in (*comment, *extras.text):
        if (key + value).isascii():
            info.add_text(key, value, zip=len(value) > 1024)
        else:
            info.add_itxt(key, value, zip=len(value) > 1024)
    return {"pnginfo": info} if info.chunks else {}


def _decoded(comment: bytes) -> str:
    try:
        return comment.decode().rstrip("\0")
    except UnicodeDecodeError:
        return comment.decode("latin-1").rstrip("\0")


def _other(extras: Extras, packet: bytes | None) -> dict[str, Any]:
    return {} if packet is None else {"xmp": packet}


_WRITERS: Mapping[str, Callable[[Extras, bytes | None], dict[str, Any]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _other,
    "AVIF": _other,
    "HEIF": _other,
}


def _tiff_tags(block: bytes | None, packet: bytes | None, iptc: bytes | None) -> bytes | None:
    tags = Image.Exif()
    try:
        if block is not None:
            tags.load(block)
        return exif.descriptive_tags(tags, packet, iptc)
    except (OSError, *REFUSALS):  # Damaged metadata is no reason to refuse an intact image.
        return exif.descriptive_tags(Image.Exif(), packet, iptc)
