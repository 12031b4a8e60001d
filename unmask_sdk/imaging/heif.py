"""HEIC and AVIF: which of them a file is, and reading and writing HEIC with pillow-heif."""

from __future__ import annotations

import struct
from typing import IO, Any, BinaryIO

from PIL import Image

from unmask_sdk.core.optional_deps import install_command, missing_packages, pip_command
from unmask_sdk.core.requirements import HEIC

from . import png_chunks

# Brands of still images and of image sequences in the HEIF container.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
# Bytes in which the properties of an image lie, before its pixels.
_HEAD = 1 << 16


def kind(file: IO[bytes]) -> str | None:
    """Returns `HEIC` or `AVIF` by the brands of a file; `None` for other files."""
    file.seek(0)
    head = file.read(64)
    if head[4:8] != b"ftyp":
        return None
    (length,) = struct.unpack_from(">I", head)
    brands = [head[i : i + 4] for i in (8, *range(16, min(length, len(head)), 4))]
    if any(brand in _AVIF for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC for brand in brands) else None


def why_unreadable(file: IO[bytes]) -> str | None:
    """Returns what a HEIC or AVIF needs that is not installed; `None` for other files."""
    found = kind(file)
    if found == "AVIF":
        return f"an AVIF, which this Pillow does not decode; {pip_command('install -U pillow')}"
    if found == "HEIC":
        return f"a HEIC, which needs pillow-heif; {install_command(HEIC.extra)}"
    return None


def why_not_writable(name: str) -> str | None:
    """Returns why a format of Pillow's name cannot be written here; `None` if it can."""
    if name == "HEIF" and missing_packages(HEIC.modules):
        return f"HEIC needs pillow-heif; {install_command(HEIC.extra)}"
    if name == "AVIF":
        from PIL import features

        if not features.check("avif"):
            return f"this Pillow does not encode AVIF; {pip_command('install -U pillow')}"
    return None


def can_open(file: IO[bytes]) -> bool:
    """Returns whether a file is for `open_heic`."""
    return kind(file) == "HEIC" and not missing_packages(HEIC.modules)


def open_heic(file: IO[bytes]) -> Image.Image:
    """Opens a HEIC, upright; Pillow itself is not changed.

    Raises:
        SyntaxError: If it is damaged.
    """
    import pillow_heif

    file.seek(0)
    plugin: Any = pillow_heif
    image: Image.Image = plugin.HeifImageFile(file)
    return image


def save_heic(image: Image.Image, file: BinaryIO, **options: Any) -> None:
    """Writes a HEIC with Pillow's names of options."""
    from pillow_heif import from_pillow

    profile = options.pop("icc_profile", None)
    if profile is not None:
        image.info["icc_profile"] = profile
    from_pillow(image).save(file, **options)


def color_and_bits(image: Image.Image) -> tuple[png_chunks.Chunks, int]:
    """Returns the color description as a chunk of a PNG, and the bits per channel.

    Pillow does not report those of an AVIF; they are found by the names of their boxes.
    """
    if image.format == "HEIF":
        profile = image.info.get("nclx_profile") or {}
        numbers = profile.get("color_primaries", 2), profile.get("transfer_characteristics", 2)
        return png_chunks.cicp_chunk(*map(int, numbers)), int(image.info.get("bit_depth", 8))
    file = getattr(image, "fp", None)
    if image.format != "AVIF" or file is None:
        return (), 8
    file.seek(0)
    head = file.read(_HEAD)
    color, depth = head.find(b"colrnclx"), head.find(b"pixi\0\0\0\0")
    chunks: png_chunks.Chunks = ()
    if 0 <= color <= len(head) - 12:
        chunks = png_chunks.cicp_chunk(*struct.unpack_from(">HH", head, color + 8))
    bits = head[depth + 9] if 0 <= depth < len(head) - 9 else 8
    return chunks, bits
