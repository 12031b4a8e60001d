"""TIFF and camera raw: whether the pixels that Pillow returns are what the file's tags say.

Many raw formats are TIFFs whose first image is a preview, and some sample layouts are decoded
wrongly. Both look like ordinary photos to the decoder.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import IO, Any, TypeAlias

from PIL import Image, TiffImagePlugin

from unmask_sdk.core.quiet import logged_stderr
from unmask_sdk.errors import ImageReadError

# The first bytes of a TIFF and of a BigTIFF.
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Tags.
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES, PLANAR, SUB_IFDS, SAMPLE_FORMAT, DNG_VERSION = 277, 284, 330, 339, 50706
_WANTED = frozenset(
    (SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, SUB_IFDS, DNG_VERSION)
)

# Color filter array, and LinearRaw of DNG: what a sensor measured.
_SENSOR = (32803, 34892)
_REDUCED = 1  # Bit of SUBFILE: a smaller copy of another image of the file.
_SEPARATE = 2  # Value of PLANAR: each channel by itself.
_NAMES = {2: "signed integers", 3: "floating-point numbers", 5: "complex", 6: "complex"}

# Raw formats that are not TIFF, or not recognizable by their tags: offset and first bytes.
_RAW = (
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),
    (0, b"FOVb"),
    (0, b"\0MRM"),
    (4, b"ftypcrx "),
    (6, b"HEAPCCDR"),
    (8, b"CR\2\0"),
)

# Limits of what is read: real files have at most a dozen directories, of at most 200 entries.
_MAX_DIRECTORIES = 64
_MAX_ENTRIES = 4096
_MAX_VALUES = 64

# `struct` formats of the integer types, by TIFF's number of the type.
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

# What libtiff prints begins with the name of one of its functions, or of the file, for which Pillow
# makes one up. Python's tracebacks in other threads are not meant.
_LIBTIFF = r"(tempfile\.tif|(?!\w*(Error|Exception|Warning): )_?[A-Z]\w+): "
# Otherwise what Pillow logs about a file would be printed where no logging is set up.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Pillow has one switch for the process.
_SWITCHING = threading.Lock()

Directory: TypeAlias = dict[int, tuple[int, ...]]


def is_raw(file: IO[bytes]) -> bool:
    """Returns whether a file is a camera raw file; any image in it is then only a preview."""
    file.seek(0)
    head = file.read(16)
    if any(head[offset : offset + len(magic)] == magic for offset, magic in _RAW):
        return True
    pages, inner = read_directories(file)
    return any(
        DNG_VERSION in tags or _first(tags, PHOTOMETRIC) in _SENSOR for tags in (*pages, *inner)
    )


def check_main_image(file: IO[bytes]) -> None:
    """Checks that the first image of a TIFF is not a preview of another one.

    Raises:
        ImageReadError: If it is.
    """
    pages, inner = read_directories(file)
    main, *others = [*pages, *inner] or [{}]
    size = _first(main, WIDTH), _first(main, HEIGHT)
    largest = max(
        ((_first(tags, WIDTH), _first(tags, HEIGHT)) for tags in others if not _reduced(tags)),
        key=lambda sides: sides[0] * sides[1],
        default=(0, 0),
    )
    if largest[0] * largest[1] > size[0] * size[1]:
        raise ImageReadError(
            f"its first image, {size[0]}x{size[1]}, is a preview of another of "
            f"{largest[0]}x{largest[1]}; save that one as a file of its own"
        )


def only_previews_follow(file: IO[bytes]) -> bool:
    """Returns whether all pages of a TIFF after the first one are smaller copies of it."""
    pages, _ = read_directories(file)
    return 1 < len(pages) < _MAX_DIRECTORIES and all(map(_reduced, pages[1:]))


def describe(file: IO[bytes]) -> str:
    """Returns the layout of a TIFF that cannot be read, for an error message."""
    tags = (read_directories(file)[0] or [{}])[0]
    bits = "+".join(map(str, tags.get(BITS, (1,))))
    return (
        f"a TIFF of a kind that is not supported (photometric interpretation "
        f"{_first(tags, PHOTOMETRIC)}, {bits} bits, compression {_first(tags, COMPRESSION) or 1}); "
        "save it as RGB with 8 or 16 bits per channel"
    )


def is_planar(image: Image.Image) -> bool:
    """Returns whether the channels of a TIFF lie one after the other, without compression.

    Pillow decodes such planes by itself, as if they had 8 bits; libtiff decodes them rightly.
    """
    tags = _tags(image)
    return tags.get(PLANAR) == _SEPARATE and tags.get(COMPRESSION, 1) == 1


def check_samples(image: Image.Image) -> None:
    """Checks that Pillow decodes, or decoded, the numbers in a TIFF rightly.

    Raises:
        ImageReadError: If they are signed or floating-point numbers, planes of gray and
            transparency, or more than 8 bits in planes that are not left to libtiff.
    """
    tags = _tags(image)
    if tags.get(PLANAR) == _SEPARATE and image.mode in ("LA", "La", "PA"):
        raise ImageReadError(
            "gray and transparency in separate planes are not supported; save the image as RGB"
        )
    if is_planar(image) and max(tags.get(BITS, (1,))) > 8 and not _by_libtiff(image):
        raise ImageReadError("Pillow decodes its channel planes wrongly; pass the file's path")
    for kind in tags.get(SAMPLE_FORMAT, ()):
        if kind in _NAMES:
            bits = max(tags.get(BITS, (1,)))
            raise ImageReadError(
                f"{bits}-bit pixels that are {_NAMES[kind]} are not supported; "
                "save the image with 8 or 16 unsigned bits"
            )


def load(image: Image.Image) -> None:
    """Decodes the pixels of an image of any format; what libtiff prints about damage is logged."""
    with logged_stderr(_LIBTIFF) if _by_libtiff(image) else nullcontext():
        image.load()


def bits_per_channel(image: Image.Image) -> int | None:
    """Returns the bits per channel of a TIFF; `None` for other formats."""
    bits = _tags(image).get(BITS)
    return max(bits) if bits else None


def is_white_zero(image: Image.Image) -> bool:
    """Returns whether 0 is white in a TIFF of more than 8 bits; for fewer, Pillow inverts it."""
    tags = _tags(image)
    return tags.get(PHOTOMETRIC) == 0 and max(tags.get(BITS, (1,))) > 8


def reopened(file: IO[bytes]) -> Image.Image:
    """Opens a TIFF so that libtiff decodes it."""
    file.seek(0)
    with _SWITCHING:
        before = TiffImagePlugin.READ_LIBTIFF
        TiffImagePlugin.READ_LIBTIFF = True
        try:
            return Image.open(file, formats=("TIFF",))
        finally:
            TiffImagePlugin.READ_LIBTIFF = before


def read_directories(file: IO[bytes]) -> tuple[list[Directory], list[Directory]]:
    """Reads some integer tags of the images of a TIFF.

    What is damaged or beyond the limits is left out; a file that is no TIFF has none.

    Returns:
        The tags of the pages, and of the images that are inside of them.
    """
    file.seek(0)
    head = file.read(16)
    if head[:4] not in MAGIC or len(head) < 16:
        return [], []
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    pages: list[Directory] = []
    inner: list[Directory] = []
    seen = {0}
    queue = [(start, pages)]
    while queue and len(seen) <= _MAX_DIRECTORIES:
        place, found = queue.pop()
        if place in seen:
            continue
        seen.add(place)
        try:
            tags, following = _read_directory(file, order, big, place)
        except (struct.error, OSError, ValueError, OverflowError):
            continue
        found.append(tags)
        queue += [(sub, inner) for sub in tags.get(SUB_IFDS, ())]
        queue.append((following, found))
    return pages, inner


def _read_directory(file: IO[bytes], order: str, big: bool, place: int) -> tuple[Directory, int]:
    """Returns the wanted tags of a directory, and the place of the next one."""
    counter, entry, offset = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    file.seek(place)
    (count,) = struct.unpack(order + counter, file.read(struct.calcsize(order + counter)))
    if count > _MAX_ENTRIES:
        raise ValueError("too many entries")
    size = struct.calcsize(order + entry)
    table = file.read(count * size)
    last = file.read(struct.calcsize(order + offset))
    whole = len(last) == struct.calcsize(order + offset)
    following = struct.unpack(order + offset, last)[0] if whole else 0
    tags: Directory = {}
    for tag, kind, length, value in struct.iter_unpack(order + entry, table):
        if tag in _WANTED and kind in _INTEGERS and 0 < length <= _MAX_VALUES:
            form = f"{order}{length}{_INTEGERS[kind]}"
            if struct.calcsize(form) > len(value):
                file.seek(struct.unpack(order + offset, value)[0])
                value = file.read(struct.calcsize(form))
            tags[tag] = struct.unpack_from(form, value)
    return tags, following


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}


def _by_libtiff(image: Image.Image) -> bool:
    tiles: Any = getattr(image, "tile", ())
    return bool(tiles) and tiles[0][0] == "libtiff"


def _first(tags: Directory, tag: int) -> int:
    return tags.get(tag, (0,))[0]


def _reduced(tags: Directory) -> bool:
    return bool(_first(tags, SUBFILE) & _REDUCED)
