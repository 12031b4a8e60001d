"""EXIF: orientation of an image, and the block that is written to the new file."""

from __future__ import annotations

import contextlib
import struct
from typing import TypeAlias

from PIL import ExifTags, Image

from . import photoshop

PREFIX = b"Exif\x00\x00"

# The TIFF tags of XMP, IPTC and Photoshop's resources.
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377

_ENTRY = 12
# `struct` formats of TIFF's integer types. UNDEFINED (7) is bytes, like BYTE.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}
# Tags of the offset and length of a thumbnail, as one JPEG or as strips.
_THUMBNAILS = (
    (ExifTags.Base.JpegIFOffset, ExifTags.Base.JpegIFByteCount),
    (ExifTags.Base.StripOffsets, ExifTags.Base.StripByteCounts),
)

# By orientation: the number of rotations of the array to the left by 90 degrees, and whether it is
# mirrored afterwards.
_TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}

# The tags of a TIFF describe both its storage and its content; these are the latter.
DESCRIPTIONS = (
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.PageName,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
    # Where on Earth (GeoTIFF, GDAL).
    *(33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113),
)
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

# Type, number of values and offset of each entry of a directory, by tag.
_Entries: TypeAlias = dict[int, list[tuple[int, int, int]]]


def orientation(tags: Image.Exif) -> tuple[int, bool]:
    """Returns how to turn an array upright: the number of `np.rot90`, then whether `np.fliplr`."""
    value = tags.get(ExifTags.Base.Orientation, 1)
    if isinstance(value, bytes) and len(value) == 1:
        value = value[0]
    return _TURNS.get(value, (0, False)) if isinstance(value, int) else (0, False)


def upright_exif(image: Image.Image, tags: Image.Exif) -> bytes | None:
    """Returns the EXIF block to write for an image turned upright; `None` if it has none."""
    raw = image.info.get("exif")
    if isinstance(raw, bytes):
        return reset_exif(raw)
    return descriptive_tags(tags) if image.format == "TIFF" else None


def descriptive_tags(
    tags: Image.Exif, xmp: bytes | None = None, resources: bytes | None = None
) -> bytes | None:
    """Returns an EXIF block with the tags that describe the content, XMP, and Photoshop's block.

    A TIFF file has tags of storage and of content in one directory, and storage tags from another
    file would make it invalid. XMP, IPTC and Photoshop's resources of a TIFF are tags, too.
    """
    kept = Image.Exif()
    if xmp is not None:
        kept[XMP] = xmp
    if resources is not None:
        kept[PHOTOSHOP] = resources
        records = photoshop.read_resources(resources).get(photoshop.IPTC)
        if records is not None:
            kept[IPTC] = records
    for tag in DESCRIPTIONS:
        if tag in tags:
            kept[tag] = tags[tag]
    for group in _GROUPS:
        inner = dict(tags.get_ifd(group))
        inner.pop(ExifTags.IFD.Interop, None)  # An offset into the old file.
        if inner:
            kept[group] = inner
    return PREFIX + kept.tobytes().removeprefix(PREFIX) if len(kept) else None


def reset_exif(exif: bytes) -> bytes | None:
    """Sets the orientation to upright, and erases the thumbnail.

    The thumbnail would show the original image with the mask. Everything else stays byte for byte
    where it is: a newly written block would break the maker notes, whose offsets are absolute.

    Args:
        exif: EXIF block, with or without the prefix that it has in a JPEG file.

    Returns:
        The block with that prefix; `None` if the block is not valid.
    """
    body = bytearray(exif.removeprefix(PREFIX))
    order = {b"II": "<", b"MM": ">"}.get(bytes(body[:2]))
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", body, 4)
        entries, end = _directory(body, order, start)
        for kind, count, entry in entries.get(ExifTags.Base.Orientation, ()):
            if kind in _INTEGERS and count == 1:
                struct.pack_into(order + _INTEGERS[kind], body, entry + 8, 1)
        (thumbnail,) = struct.unpack_from(order + "I", body, end)
        struct.pack_into(order + "I", body, end, 0)
    except struct.error:
        return None
    # If there is no thumbnail, or its tags are damaged, nothing shows one either.
    with contextlib.suppress(struct.error):
        if thumbnail:
            _wipe(body, order, thumbnail)
    return PREFIX + bytes(body)


def _directory(body: bytearray, order: str, start: int) -> tuple[_Entries, int]:
    """Returns the entries of a directory, and the offset of their end."""
    (count,) = struct.unpack_from(order + "H", body, start)
    end = start + 2 + count * _ENTRY
    entries: _Entries = {}
    for entry in range(start + 2, end, _ENTRY):
        tag, kind, length = struct.unpack_from(order + "HHI", body, entry)
        entries.setdefault(tag, []).append((kind, length, entry))
    return entries, end


def _wipe(body: bytearray, order: str, start: int) -> None:
    """Overwrites the images of a directory with zeros."""
    entries, _ = _directory(body, order, start)
    for where, how_long in _THUMBNAILS:
        places, lengths = (_numbers(body, order, entries.get(tag, [])) for tag in (where, how_long))
        for place, length in zip(places, lengths, strict=False):
            held = len(body[place : place + length])
            body[place : place + held] = bytes(held)


def _numbers(body: bytearray, order: str, found: list[tuple[int, int, int]]) -> list[int]:
    """Reads the integers of a tag, which are in its entry or at the offset that it has."""
    numbers: list[int] = []
    for kind, count, entry in found:
        form = _INTEGERS.get(kind)
        if form is None or count > len(body):
            continue
        form = f"{order}{count}{form}"
        place = entry + 8
        if struct.calcsize(form) > 4:
            (place,) = struct.unpack_from(order + "I", body, place)
        numbers += struct.unpack_from(form, body, place)
    return numbers
