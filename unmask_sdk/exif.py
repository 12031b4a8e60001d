"""EXIF: how a picture is turned, and the block that goes into the file written."""

from __future__ import annotations

import struct

from PIL import ExifTags, Image

PREFIX = b"Exif\x00\x00"

# In a TIFF, XMP is a tag.
XMP = 700

_SHORT = 3
_ENTRY = 12

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


def turns(tags: Image.Exif) -> tuple[int, bool]:
    """Says how to turn an array upright: times `np.rot90`, then whether `np.fliplr`."""
    value = tags.get(ExifTags.Base.Orientation, 1)
    return _TURNS.get(value, (0, False)) if isinstance(value, int) else (0, False)


def block(image: Image.Image, tags: Image.Exif) -> bytes | None:
    """Gives the EXIF block to write for a picture that was turned upright; None if it has none."""
    raw = image.info.get("exif")
    if isinstance(raw, bytes):
        return reset(raw)
    return descriptions(tags) if image.format == "TIFF" else None


def descriptions(tags: Image.Exif, xmp: bytes | None = None) -> bytes | None:
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


def reset(exif: bytes) -> bytes | None:
    """Says that the picture stands upright, and lets go of the thumbnail.

    The thumbnail would show the picture as it was, mask and all. Everything else stays byte for
    byte: writing a block anew would break the makers' notes, whose offsets are absolute.

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
        (count,) = struct.unpack_from(order + "H", body, start)
        for entry in range(start + 2, start + 2 + count * _ENTRY, _ENTRY):
            tag, kind = struct.unpack_from(order + "HH", body, entry)
            if tag == ExifTags.Base.Orientation and kind == _SHORT:
                struct.pack_into(order + "H", body, entry + 8, 1)
        # What follows the first directory is the thumbnail's.
        struct.pack_into(order + "I", body, start + 2 + count * _ENTRY, 0)
    except struct.error:
        return None
    return PREFIX + bytes(body)
