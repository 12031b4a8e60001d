"""Reads images: a file, bytes, a Pillow image or an array becomes a `Photo`.

A file that is cut off is an error. What a photo has besides its colors (transparency, EXIF, XMP,
color profile) is kept for `encode.py` to write back.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import IO, Literal, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.error_text import one_line
from unmask_sdk.core.quiet import logged_pillow_warnings
from unmask_sdk.errors import ImageReadError, InvalidInputError

from . import exif, heif, metadata, tiff, xmp
from .color import bits_per_channel, to_rgb

Channels = Literal["rgb", "bgr"]
Buffer: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = str | os.PathLike[str] | Buffer | IO[bytes] | Image.Image | AnyArray

# Some of Pillow's readers run other programs (EPS); photos do not need them.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, AVIF or HEIC"

# The first bytes of videos that are not MP4.
_VIDEO = (b"\x1aE\xdf\xa3",)

# 12,000 x 12,000: the largest decoded image, of any aspect ratio.
MAX_PIXELS = 144_000_000

# What Pillow raises on damaged files, by its checks or by reading beyond the end of the data.
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


@dataclass(frozen=True, eq=False)
class Extras:
    """What a photo has besides its colors.

    Attributes:
        alpha: uint8 `[H, W]`, 0 (transparent) to 255 (opaque); `None` if all of it is opaque.
        exif: EXIF block with prefix, for an upright image.
        icc: ICC profile of the RGB values; `None` means sRGB.
        xmp: XMP packet as it was in the file.
        iptc: Photoshop's image resources with IPTC's caption, credit and copyright.
        comment: Comment of a JPEG or GIF, or the text `Comment` of a PNG.
        text: Other texts of a PNG, by their keywords.
        dpi: Resolution across and down, in pixels per inch.
        color: Chunks of a PNG about color, by name: gamma, chromaticities, cICP.
    """

    alpha: UInt8Array | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()
    dpi: tuple[float, float] | None = None
    color: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded image, upright.

    Attributes:
        pixels: uint8 `[H, W, 3]` RGB.
        extras: Transparency and metadata.
        owned: Whether nobody else has a reference to `pixels`, so that they may be changed in
            place.
        notes: What of the file could not be kept.
    """

    pixels: UInt8Array
    extras: Extras
    owned: bool
    notes: tuple[str, ...] = ()


def read_photo(source: Source, channels: Channels = "rgb") -> Photo:
    """Reads an image from any source.

    Gray, palette and 16-bit images are converted to 8-bit RGB; CMYK, Lab and gray images with an
    ICC profile are converted to sRGB by it. EXIF orientation is applied. The current frame of a
    Pillow image is used; a file with an animation or several pages is refused, because the other
    frames would be lost.

    Args:
        source: Path; the bytes of a file (also as bytearray or memoryview); a file that is open
            for reading bytes, or an object with such a `read` method, which is read to its end and
            stays open; Pillow image; or uint8 array `[H, W]`, `[H, W, 1]` (gray), `[H, W, 3]` or
            `[H, W, 4]` (the last channel is alpha).
        channels: Order of an array's channels, `rgb` or `bgr` (as in OpenCV). Not used for files
            and Pillow images, whose order is known.

    Returns:
        The photo. Its `pixels` may be `source` itself, if that is an RGB array.

    Raises:
        ImageReadError: If a file is missing, not an image, damaged, cut off, animated, empty, or
            of more than `MAX_PIXELS` pixels.
        InvalidInputError: If `source` is of another type, or an array of another dtype or shape.
    """
    check_channels(channels)
    check_source(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, channels)
    with logged_pillow_warnings():
        return _read_file(source)


def check_source(source: object) -> None:
    """Raises `InvalidInputError` for what can be no photo; reads no file."""
    if isinstance(source, np.ndarray):
        _check_array(source)
    elif not isinstance(
        source, Image.Image | bytes | bytearray | memoryview | str | os.PathLike
    ) and not callable(getattr(source, "read", None)):
        raise InvalidInputError(
            "image must be a path, the bytes of a file, an open file, a Pillow image or a uint8 "
            f"NumPy array; got {type(source).__name__}"
        )


def _read_file(source: str | os.PathLike[str] | Buffer | IO[bytes] | Image.Image) -> Photo:
    if isinstance(source, Image.Image):
        return _from_pillow(source, "the Pillow image")
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(source, "the bytes given")
    if isinstance(source, str | os.PathLike):
        return _from_file(os.fspath(source))
    return _from_stream(source)


def check_channels(channels: Channels) -> None:
    """Raises `InvalidInputError` if `channels` is neither `rgb` nor `bgr`."""
    if channels not in ("rgb", "bgr"):
        raise InvalidInputError(f"channels must be 'rgb' or 'bgr', got {channels!r}")


def stored_format(source: str | os.PathLike[str] | bytes) -> str:
    """Returns Pillow's name for the format of a file, or its content, that can be read."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
    with logged_pillow_warnings(), opened as file, _opened(file) as image:
        # MPO is JPEG followed by a second, auxiliary image.
        return "JPEG" if image.format == "MPO" else str(image.format)


def is_stripped(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file tells nothing of people: of XMP, only that a region was generated.

    Returns false for a file that cannot be read.
    """
    try:
        with logged_pillow_warnings(), open(path, "rb") as file, _opened(file) as image:
            bare = not image.info.get("exif") and exif.upright_exif(image, image.getexif()) is None
            said = metadata.read_metadata(image, turned=False)
            bare = bare and not (said["iptc"] or said["comment"] or said["text"])
            return bare and xmp.read_packet(image) in (None, xmp.build_packet(None, generated=True))
    except (Image.DecompressionBombError, *_DAMAGE):
        return False


def _check_array(array: AnyArray) -> None:
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


def _from_array(array: AnyArray, channels: Channels) -> Photo:
    # `np.matrix` and other subclasses become a plain array.
    array = np.asarray(array)
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
        raise ImageReadError(f"the open file cannot be read: {one_line(error)}") from error
    if not isinstance(content, bytes):
        raise InvalidInputError(
            f"the open file returns {type(content).__name__}, not bytes; open it with mode 'rb'"
        )
    return _from_bytes(content, "the open file's bytes")


def _from_file(name: str) -> Photo:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise ImageReadError(f"{name} is a folder, not an image")
        # Opening a pipe could wait forever.
        if not stat.S_ISREG(status.st_mode):
            raise ImageReadError(f"{name} is not a regular file")
        if status.st_size == 0:
            raise ImageReadError(f"{name} is empty (0 bytes)")
        file = open(name, "rb")  # noqa: SIM115
    except FileNotFoundError:
        if "://" in name:
            raise ImageReadError(
                f"{name} is a URL, which is not supported; download it, and pass its path or bytes"
            ) from None
        if not name:
            raise ImageReadError("the path of the image is empty") from None
        home = "; write out the home folder, only shells expand ~" if name[0] == "~" else ""
        raise ImageReadError(f"{name} does not exist{home}") from None
    except OSError as error:
        raise ImageReadError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInputError(f"{name!r} is not a path: {error}") from error
    with file:
        return _decode(file, name)


def _decode(file: IO[bytes], name: str) -> Photo:
    try:
        if tiff.is_raw(file):
            raise ImageReadError(
                f"{name} is a camera raw file: develop it first (such as with darktable or "
                "RawTherapee), and use the JPEG, PNG or TIFF; only its preview could be read"
            )
        image = _opened(file)
        frames = _frames(image, file)
    except UnidentifiedImageError:
        raise ImageReadError(f"{name} is {_unknown(file)}") from None
    except Image.DecompressionBombError:
        raise ImageReadError(f"{name} has {_too_many()}") from None
    except ImageReadError as error:
        raise ImageReadError(str(error) if name in str(error) else f"{name}: {error}") from None
    except _DAMAGE as error:
        raise ImageReadError(f"{name} is cut off or damaged: {one_line(error)}") from error
    with image:
        if frames > 1:
            raise ImageReadError(
                f"{name} has {frames} images (an animation or pages); save one of them as a file"
            )
        return _from_pillow(image, name)


def _frames(image: Image.Image, file: IO[bytes]) -> int:
    """Returns the number of images that are photos of their own."""
    frames = int(getattr(image, "n_frames", 1))
    if image.format == "TIFF":
        place = file.tell()
        tiff.check_main_image(file)
        frames = 1 if frames > 1 and tiff.only_previews_follow(file) else frames
        file.seek(place)
    # A phone's JPEG may have a second, auxiliary image (MPO), which is not an animation.
    return 1 if image.format == "MPO" else frames


def _opened(file: IO[bytes]) -> Image.Image:
    if heif.can_open(file):
        return heif.open_heic(file)
    file.seek(0)
    image = Image.open(file, formats=FORMATS)
    return tiff.reopened(file) if tiff.is_planar(image) else image


def _from_pillow(image: Image.Image, name: str) -> Photo:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageReadError(f"{name} has no pixels: it is {width}x{height}")
    if width * height > MAX_PIXELS:
        raise ImageReadError(f"{name} is {width}x{height}: that is {_too_many()}")
    try:
        tiff.check_samples(image)
        bits = bits_per_channel(image)
        notes = (f"{bits} bits per channel were reduced to 8",) * (bits > 8)
        colors, chunks = metadata.read_color(image)
        tiff.load(image)
        pixels, alpha, icc = to_rgb(image)
    except ImageReadError as error:
        raise ImageReadError(f"{name}: {error}") from None
    except _DAMAGE as error:
        raise ImageReadError(f"{name} is cut off or damaged: {one_line(error)}") from error
    except MemoryError:
        raise ImageReadError(f"{name} is {width}x{height}: not enough memory for it") from None
    try:
        tags = image.getexif()
        (quarters, mirrored), block = exif.orientation(tags), exif.upright_exif(image, tags)
    except _DAMAGE:  # Damaged metadata is no reason to refuse an intact image.
        (quarters, mirrored), block = (0, False), None
    if alpha is not None:
        alpha = None if alpha.min() == 255 else _turn(alpha, quarters, mirrored)
    packet = xmp.read_packet(image)
    try:
        details = metadata.read_metadata(image, turned=quarters % 2 == 1)
        notes += metadata.left_out(image, packet, chunks)
    except _DAMAGE:
        details = {}
    if icc is None and image.info.get("icc_profile"):
        colors = ()  # The pixels are sRGB now.
    extras = Extras(alpha, block, icc, packet, color=colors, **details)
    return Photo(_turn(pixels, quarters, mirrored), extras, owned=True, notes=notes)


def _turn(array: UInt8Array, quarters: int, mirrored: bool) -> UInt8Array:
    turned = np.rot90(array, quarters)
    return np.ascontiguousarray(np.fliplr(turned) if mirrored else turned)


def _unknown(file: IO[bytes]) -> str:
    file.seek(0)
    head = file.read(12)
    lacking = heif.why_unreadable(file)
    if lacking is not None:
        return lacking
    if head[4:8] == b"ftyp" or head[:4] in _VIDEO:
        return "a video; remove its masks with `unmask video` or model.video(IN, OUT)"
    if head[:4] in tiff.MAGIC:
        return tiff.describe(file)
    return f"not an image that can be read: it must be {READABLE}"


def _too_many() -> str:
    return f"more than the {MAX_PIXELS // 1_000_000} million pixels that are allowed"
