"""Pictures in: a file, bytes, a Pillow image or an array becomes a `Photo`.

A file is decoded whole or not at all. What a photo carries beside its colours (transparency,
EXIF, XMP, colour profile) is kept for `encode.py` to write back.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from typing import IO, Literal, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.errors import ImageReadError, InvalidInputError

from . import exif, xmp
from .color import has_more_than_8_bits, to_rgb

Channels = Literal["rgb", "bgr"]
Buffer: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = str | os.PathLike[str] | Buffer | IO[bytes] | Image.Image | AnyArray

# Pillow has readers that run other programs (EPS); a photo needs none of those.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF or PPM"

# Brands of the pictures that phones keep in the container of MP4, and how other videos begin.
_PHONE = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
_VIDEO = (b"\x1aE\xdf\xa3",)

# How a TIFF begins.
_TIFF = (b"II*\0", b"MM\0*")

# 12,000 x 12,000: what a picture may unfold to, whatever its sides.
MAX_PIXELS = 144_000_000

# What Pillow raises on damaged files, from its own checks and from reading beyond what is there.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)

# `warnings.catch_warnings` changes the whole process: one thread at a time.
_OPENING = threading.Lock()


@dataclass(frozen=True, eq=False)
class Extras:
    """What a photo carries beside its colours.

    Attributes:
        alpha: uint8 `[H, W]`, 0 (clear) to 255 (opaque); None if all of it is opaque.
        exif: EXIF block with prefix, for a picture that stands upright.
        icc: Colour profile of the RGB values; None means sRGB.
        xmp: XMP packet as it was in the file.
    """

    alpha: UInt8Array | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded picture, upright.

    Attributes:
        pixels: uint8 `[H, W, 3]` RGB.
        extras: What it carries beside.
        owned: Whether nobody else holds `pixels`, so that they may be changed in place.
        notes: What of the file's pixels was not kept.
    """

    pixels: UInt8Array
    extras: Extras
    owned: bool
    notes: tuple[str, ...] = ()


def read_photo(source: Source, channels: Channels = "rgb") -> Photo:
    """Takes a picture from wherever it is.

    Grey, palette and 16-bit pictures become 8-bit RGB; CMYK, Lab and grey pictures with a colour
    profile are converted to sRGB by it. EXIF orientation is applied. Of a Pillow image the frame
    that it stands at is taken; an animated or many-paged file is refused, because the other
    frames would be lost.

    Args:
        source: Path; the bytes of a file (also as bytearray or memoryview); a file that is open
            for reading bytes, or an object with such a `read`, which is read to its end and stays
            open; Pillow image; or uint8 array `[H, W]`, `[H, W, 1]` (grey), `[H, W, 3]` or
            `[H, W, 4]` (last channel transparency).
        channels: Order of an array's colours, `rgb` or `bgr` (as OpenCV has them). Files and
            Pillow images know their own.

    Returns:
        The photo. `pixels` may be `source` itself, if that was an RGB array.

    Raises:
        ImageReadError: If a file is missing, not a picture, damaged, cut off, animated, empty,
            or of more than `MAX_PIXELS` pixels.
        InvalidInputError: If `source` is no such thing, or an array of another type or shape.
    """
    check_channels(channels)
    if isinstance(source, np.ndarray):
        return _from_array(source, channels)
    if isinstance(source, Image.Image):
        return _from_pillow(source, "the Pillow image")
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(source, "the bytes given")
    if isinstance(source, str | os.PathLike):
        return _from_file(os.fspath(source))
    if callable(getattr(source, "read", None)):
        return _from_stream(source)
    several = isinstance(source, list | tuple)
    advice = "; call the model for each, or use `unmask folder`" if several else ""
    raise InvalidInputError(
        "image must be a path, the bytes of a file, an open file, a Pillow image or a uint8 NumPy "
        f"array; got {type(source).__name__}{advice}"
    )


def check_channels(channels: Channels) -> None:
    """Refuses what is no order of colours, with `InvalidInputError`."""
    if channels not in ("rgb", "bgr"):
        raise InvalidInputError(f"channels must be 'rgb' or 'bgr', got {channels!r}")


def stored_format(source: str | os.PathLike[str] | bytes) -> str:
    """Gives Pillow's name for the format of a file, or its content, that `read` has read."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
    with opened as file, _opened(file) as image:
        # MPO is JPEG with a second, auxiliary picture behind it.
        return "JPEG" if image.format == "MPO" else str(image.format)


def is_stripped(path: str | os.PathLike[str]) -> bool:
    """Says whether a file holds no EXIF, and no XMP but the notice that a region was generated.

    One that cannot be read is said not to.
    """
    try:
        with open(path, "rb") as file, _opened(file) as image:
            bare = "exif" not in image.info and exif.upright_exif(image, image.getexif()) is None
            return bare and xmp.read_packet(image) in (None, xmp.build_packet(None, generated=True))
    except (Image.DecompressionBombError, *_DAMAGE):
        return False


def _from_array(array: AnyArray, channels: Channels) -> Photo:
    # A matrix, or another array of its own mind, becomes a plain one.
    array = np.asarray(array)
    shape = list(array.shape)
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"image must be uint8 with values 0 to 255, got {array.dtype} {shape}; "
            "scale it, then .astype(np.uint8)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InvalidInputError(
            f"image must have the shape [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], got {shape}"
        )
    if 0 in array.shape:
        raise InvalidInputError(f"image has no pixels: its shape is {shape}")
    layers = array[..., None] if array.ndim == 2 else array
    if layers.shape[2] == 1:
        return Photo(np.repeat(layers, 3, axis=2), Extras(), owned=True)
    ordered = layers[..., 2::-1] if channels == "bgr" else layers[..., :3]
    pixels = np.ascontiguousarray(ordered)
    alpha = np.ascontiguousarray(layers[..., 3]) if layers.shape[2] == 4 else None
    return Photo(pixels, Extras(alpha), owned=not np.may_share_memory(pixels, array))


def _from_bytes(content: Buffer, name: str) -> Photo:
    file = bytes(content)
    if not file:
        raise ImageReadError(f"{name} are empty")
    return _decode(io.BytesIO(file), name)


def _from_stream(stream: IO[bytes]) -> Photo:
    try:
        content = stream.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed.
        raise ImageReadError(f"the open file cannot be read: {_line(error)}") from error
    if not isinstance(content, bytes):
        raise InvalidInputError(
            f"the open file gives {type(content).__name__}, not bytes; open it with mode 'rb'"
        )
    return _from_bytes(content, "the open file's bytes")


def _from_file(name: str) -> Photo:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise ImageReadError(f"{name} is a folder, not a picture")
        # Opening a pipe would wait for ever.
        if not stat.S_ISREG(status.st_mode):
            raise ImageReadError(f"{name} is not a regular file")
        if status.st_size == 0:
            raise ImageReadError(f"{name} is empty (0 bytes)")
        file = open(name, "rb")  # noqa: SIM115
    except FileNotFoundError:
        if "://" in name:
            raise ImageReadError(
                f"{name} is a URL, which is not opened; download it, and give its path or bytes"
            ) from None
        if not name:
            raise ImageReadError("the path of the image is empty") from None
        home = "; write the home folder out, ~ is known to shells alone" if name[0] == "~" else ""
        raise ImageReadError(f"{name} does not exist{home}") from None
    except OSError as error:
        raise ImageReadError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInputError(f"{name!r} is not a path: {error}") from error
    with file:
        return _decode(file, name)


def _decode(file: IO[bytes], name: str) -> Photo:
    try:
        image = _opened(file)
        # A phone's JPEG may hold a second, auxiliary picture (MPO): that is no animation.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except UnidentifiedImageError:
        raise ImageReadError(f"{name} is {_unknown(file)}") from None
    except Image.DecompressionBombError:
        raise ImageReadError(f"{name} has {_too_many()}") from None
    except _DAMAGE as error:
        raise ImageReadError(f"{name} is cut off or damaged: {_line(error)}") from error
    with image:
        if frames > 1:
            raise ImageReadError(
                f"{name} holds {frames} pictures (an animation or pages); save one of them alone"
            )
        return _from_pillow(image, name)


def _opened(file: IO[bytes]) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        # Pillow warns from 89 million pixels up; the limit here is our own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=FORMATS)


def _from_pillow(image: Image.Image, name: str) -> Photo:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageReadError(f"{name} has no pixels: it is {width}x{height}")
    if width * height > MAX_PIXELS:
        raise ImageReadError(f"{name} is {width}x{height}: that is {_too_many()}")
    try:
        notes = ("16 bits a channel became 8",) if has_more_than_8_bits(image) else ()
        image.load()
        pixels, alpha, icc = to_rgb(image)
    except ImageReadError as error:
        raise ImageReadError(f"{name}: {error}") from None
    except _DAMAGE as error:
        raise ImageReadError(f"{name} is cut off or damaged: {_line(error)}") from error
    except MemoryError:
        raise ImageReadError(f"{name} is {width}x{height}: not enough memory for it") from None
    try:
        tags = image.getexif()
        (quarters, mirrored), block = exif.orientation(tags), exif.upright_exif(image, tags)
    except _DAMAGE:  # Damaged metadata is no reason to refuse a sound picture.
        (quarters, mirrored), block = (0, False), None
    if alpha is not None:
        alpha = None if alpha.min() == 255 else _turn(alpha, quarters, mirrored)
    extras = Extras(alpha, block, icc, xmp.read_packet(image))
    return Photo(_turn(pixels, quarters, mirrored), extras, owned=True, notes=notes)


def _turn(array: UInt8Array, quarters: int, mirrored: bool) -> UInt8Array:
    turned = np.rot90(array, quarters)
    return np.ascontiguousarray(np.fliplr(turned) if mirrored else turned)


def _unknown(file: IO[bytes]) -> str:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in _PHONE:
        return (
            "an HEIC or AVIF file, which is not read; convert it to JPEG or PNG, or open it with "
            "Pillow (pillow-heif) and give the Pillow image"
        )
    if head[4:8] == b"ftyp" or head[:4] in _VIDEO:
        return "a video; take its masks off with `unmask video` or model.video(IN, OUT)"
    if head[:4] in _TIFF:
        return (
            "a TIFF of a kind that cannot be read, such as with 32 bits a channel; save it with 8 "
            "or 16"
        )
    return f"not a picture that can be read: it must be {READABLE}"


def _too_many() -> str:
    return f"more than the {MAX_PIXELS // 1_000_000} million pixels that are allowed"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
