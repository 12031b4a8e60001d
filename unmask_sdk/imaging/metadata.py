"""What an image file says besides pixels, EXIF and XMP: resolution, IPTC, comments, text, color."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin, TiffTags

from . import exif, heif, photoshop, png_chunks

# Text of a PNG that is other metadata in disguise; EXIF and XMP are read as such.
_PROFILES = ("Raw profile type ", "XML:com.adobe.xmp")
_MAX_DPI = 1e6
# How a TIFF is stored, and what is kept in other ways (color profile, EXIF, XMP, IPTC).
_TIFF_RANGES = ((254, 267), (273, 285), (290, 298), (317, 326), (336, 344), (512, 522), (529, 533))
_TIFF_TAGS = (301, 330, 332, 334, 347, 700, 33723, 34377, 34665, 34675, 34853, 40965)
_TIFF_KNOWN = frozenset(_TIFF_TAGS).union(*(range(*ends) for ends in _TIFF_RANGES))
_JPEG_KNOWN = ("APP0", "APP1", "APP2", "APP11", "APP12", "APP13", "APP14")

# What the XMP of a phone's photo says about the rest of the file.
_FOLLOWERS = (
    (b"/hdr-gain-map/", "the HDR gain map"),
    (b"HDRGainMap", "the HDR gain map"),
    (b'MotionPhoto="1"', "the video of the motion photo"),
    (b'MicroVideo="1"', "the video of the motion photo"),
    (b"/depthmap/", "the depth map"),
)


def read_metadata(image: Image.Image, turned: bool) -> dict[str, Any]:
    """Returns fields of `Extras` for a loaded image.

    Args:
        image: As Pillow opened it.
        turned: Whether its sides are exchanged, so that width is height.
    """
    found: dict[str, Any] = {"dpi": _dpi(image, turned), "iptc": _iptc(image)}
    comment = _comments(image)
    text = []
    for key, value in getattr(image, "text", {}).items():
        if key == "Comment":
            comment = str(value).encode()
        elif isinstance(value, str) and not key.startswith(_PROFILES):
            text.append((key, str(value)))
    return {**found, "comment": comment, "text": tuple(text)}


def read_color(image: Image.Image) -> tuple[png_chunks.Chunks, set[bytes]]:
    """Returns color as chunks of a PNG, and the names of all its chunks.

    AVIF and HEIF have the same description, in a box `colr`. Call this before the image is loaded.
    """
    file = getattr(image, "fp", None)
    if image.format in ("HEIF", "AVIF"):
        return heif.color_and_bits(image)[0], set()
    if image.format != "PNG" or file is None or not file.seekable():
        return (), set()
    place = file.tell()
    try:
        return png_chunks.read_chunks(file)
    finally:
        file.seek(place)


def left_out(image: Image.Image, packet: bytes | None, chunks: set[bytes]) -> tuple[str, ...]:
    """Returns a sentence about what the file holds and no result does; empty if there is nothing.

    Args:
        image: A loaded image, as Pillow opened it.
        packet: Its XMP.
        chunks: Names of the chunks of a PNG.
    """
    parts = [words for marker, words in _FOLLOWERS if marker in (packet or b"")]
    parts += _jpeg_rest(image, gain_map=bool(parts))
    parts += _heif_rest(image)
    if b"caBX" in chunks:
        parts.append("content credentials (C2PA)")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        parts += _tiff_rest(image)
    return (f"left out: {', '.join(dict.fromkeys(parts))}",) if parts else ()


def _dpi(image: Image.Image, turned: bool) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not all(math.isfinite(value) and 1 < value < _MAX_DPI for value in (across, down)):
        return None
    return (down, across) if turned else (across, down)


def _iptc(image: Image.Image) -> bytes | None:
    resources: Mapping[int, object] = image.info.get("photoshop") or {}
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        resources = photoshop.read_resources(_bytes(image.tag_v2.get(exif.PHOTOSHOP)))
        records = _bytes(image.tag_v2.get(exif.IPTC))
        if records:
            resources = {**resources, photoshop.IPTC: records}
    if isinstance(image, PngImagePlugin.PngImageFile):
        for kind in ("iptc", "8bim"):
            raw = image.info.get(f"Raw profile type {kind}")
            resources = resources or photoshop.read_resources(_raw_profile(raw))
    return photoshop.kept_block(resources) if isinstance(resources, dict) else None


def _raw_profile(text: object) -> bytes:
    """Decodes the hexadecimal text in which ImageMagick and ExifTool write profiles to a PNG."""
    lines = str(text or "").strip().split("\n", 2)
    try:
        return bytes.fromhex(lines[2]) if len(lines) == 3 else b""
    except ValueError:
        return b""


def _bytes(value: object) -> bytes:
    if isinstance(value, tuple) and all(isinstance(v, int) and 0 <= v < 1 << 32 for v in value):
        # IPTC is often declared as 32-bit integers; Pillow then converts its bytes.
        return struct.pack(f">{len(value)}I", *value)
    return value if isinstance(value, bytes) else b""


def _comments(image: Image.Image) -> bytes | None:
    several = [content for name, content in getattr(image, "applist", ()) if name == "COM"]
    comment = b"\n".join(several) or image.info.get("comment")
    if isinstance(comment, str):
        return comment.encode()
    return comment if isinstance(comment, bytes) and comment else None


def _jpeg_rest(image: Image.Image, gain_map: bool) -> list[str]:
    segments = [(str(name), content) for name, content in getattr(image, "applist", ())]
    starts = [content[:35] for _, content in segments]
    parts = []
    if any(start.startswith(b"urn:iso:std:iso:ts:21496:-1") for start in starts):
        parts.append("the HDR gain map")
    elif image.format == "MPO" and not gain_map:
        more = int(getattr(image, "n_frames", 1)) - 1
        parts += [f"{more} more image(s) of the file, such as a gain map"] * (more > 0)
    if any(start.startswith(b"http://ns.adobe.com/xmp/extension/") for start in starts):
        parts.append("the second part of the XMP")
    if any(name == "APP11" and content[:2] == b"JP" for name, content in segments):
        parts.append("content credentials (C2PA)")
    if photoshop.has_paths(image.info.get("photoshop") or {}):
        parts.append("clipping paths")
    others = dict.fromkeys(n for n, _ in segments if n.startswith("APP") and n not in _JPEG_KNOWN)
    return parts + [f"data of the camera's maker ({name})" for name in others]


def _heif_rest(image: Image.Image) -> list[str]:
    parts = ["the depth map"] * bool(image.info.get("depth_images"))
    kinds = str(list(image.info.get("aux") or ()))
    return parts + ["the HDR gain map"] * ("gainmap" in kinds.lower())


def _tiff_rest(image: TiffImagePlugin.TiffImageFile) -> list[str]:
    extra = image.tag_v2.get(338, ())
    parts = ["additional channels"] if len(extra) > 1 or 0 in extra else []
    if photoshop.has_paths(photoshop.read_resources(_bytes(image.tag_v2.get(exif.PHOTOSHOP)))):
        parts.append("clipping paths")
    lost = [tag for tag in image.tag_v2 if tag not in _TIFF_KNOWN and tag not in exif.DESCRIPTIONS]
    names = [str(TiffTags.lookup(tag).name).replace("unknown", str(tag)) for tag in lost]
    return parts + ([f"TIFF tags {', '.join(names)}"] if names else [])
