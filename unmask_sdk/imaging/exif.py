"""EXIF: how a picture is turned, and the block that goes into the file written."""

from __future__ import annotations

import contextlib
import struct
from typing import TypeAlias

from PIL import ExifTags, Image

PREFIX = b"Exif\x00\x00"

# In a TIFF, XMP is a tag.
XMP = 700

_ENTRY = 12
# How TIFF's kinds of whole numbers are packed. UNDEFINED (7) is bytes, as BYTE is.
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}
# Where a thumbnail lies, and how long its pieces are: as one JPEG, or as strips.
_THUMBNAILS = (
    (ExifTags.Base.JpegIFOffset, ExifTags.Base.JpegIFByteCount),
    (ExifTags.Base.StripOffsets, ExifTags.Base.StripByteCounts),
)

# Orientation to how often the array is turned left by 90 degrees, and whether it is mirrored then.
_TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}

# A TIFF's own tags hold both how it is stored and what it shows; these are the latter.
_DESCRIPTIONS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

# Kind, number of values, and place of each entry of a directory, by tag.
_Entries: TypeAlias = dict[int, list[tuple[int, int, int]]]


def orientation(tags: Image.Exif) -> tuple[int, bool]:
    """Says how to turn an array upright: times `np.rot90`, then whether `np.fliplr`."""
    value = tags.get(ExifTags.Base.Orientation, 1)
    if isinstance(value, bytes) and len(value) == 1:
        value = value[0]
    return _TURNS.get(value, (0, False)) if isinstance(value, int) else (0, False)


def upright_exif(image: Image.Image, tags: Image.Exif) -> bytes | None:
    """Gives the EXIF block to write for a picture that was turned upright; None if it has none."""
    raw = image.info.get("exif")
    if isinstance(raw, bytes):
        return reset_exif(raw)
    return descriptive_tags(tags) if image.format == "TIFF" else None


def descriptive_tags(tags: Image.Exif, xmp: bytes | None = None) -> bytes | None:
    """Gives a block of what describes the picture, and nothing of how its file was stored.

    A TIFF file keeps both in one directory, so that storage tags from another file would spoil
    it; an XMP packet lies there too.
    """
    kept = Image.Exif()
    if xmp is not None:
        kept[XMP] = xmp
    for tag in _DESCRIPTIONS:
        if tag in tags:
            kept[tag] = tags[tag]
    for group in _GROUPS:
        inner = dict(tags.get_ifd(group))
        inner.pop(ExifTags.IFD.Interop, None)  # An offset into the old file.
        if inner:
            kept[group] = inner
    return PREFIX + kept.tobytes().removeprefix(PREFIX) if len(kept) else None


def reset_exif(exif: bytes) -> bytes | None:
    """Says that the picture stands upright, and wipes the thumbnail out.

    The thumbnail would show the picture as it was, mask and all. Everything else stays byte for
    byte where it is: writing a block anew would break the makers' notes, whose offsets are
    absolute.

    Args:
        exif: EXIF block, with or without the prefix that it has in a JPEG file.

    Returns:
        The block with that prefix; None if the block cannot be understood.
    """
    body = bytearray(exif.removeprefix(PREFIX))
    order = {b"II": "<", b"MM": ">"}.get(bytes(body[:2]))
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", body, 4)
        entries, end = _directory(body, order, start)
        for kind, count, entry in entries.get(ExifTags.Base.Orientation, ()):
            if kind in _WHOLE and count == 1:
                struct.pack_into(order + _WHOLE[kind], body, entry + 8, 1)
        (thumbnail,) = struct.unpack_from(order + "I", body, end)
        struct.pack_into(order + "I", body, end, 0)
    except struct.error:
        return None
    # Where there is none, or what is told of it is damaged, nothing shows one either.
    with contextlib.suppress(struct.error):
        if thumbnail:
            _wipe(body, order, thumbnail)
    return PREFIX + bytes(body)


def _directory(body: bytearray, order: str, start: int) -> tuple[_Entries, int]:
    """Gives the entries of a directory, and the place where they end."""
    (count,) = struct.unpack_from(order + "H", body, start)
    end = start + 2 + count * _ENTRY
    entries: _Entries = {}
    for entry in range(start + 2, end, _ENTRY):
        tag, kind, length = struct.unpack_from(order + "HHI", body, entry)
        entries.setdefault(tag, []).append((kind, length, entry))
    return entries, end


def _wipe(body: bytearray, order: str, start: int) -> None:
    """Puts zeros where the pictures of a directory lie."""
    entries, _ = _directory(body, order, start)
    for where, how_long in _THUMBNAILS:
        places, lengths = (_numbers(body, order, entries.get(tag, [])) for tag in (where, how_long))
        for place, length in zip(places, lengths, strict=False):
            held = len(body[place : place + length])
            body[place : place + held] = bytes(held)


def _numbers(body: bytearray, order: str, found: list[tuple[int, int, int]]) -> list[int]:
    """Reads the whole numbers of a tag: they lie in its entry, or where that says."""
    numbers: list[int] = []
    for kind, count, entry in found:
        form = _WHOLE.get(kind)
        if form is None or count > len(body):
            continue
        form = f"{order}{count}{form}"
        place = entry + 8
        if struct.calcsize(form) > 4:
            (place,) = struct.unpack_from(order + "I", body, place)
        numbers += struct.unpack_from(form, body, place)
    return numbers
