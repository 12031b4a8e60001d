"""Converts the color modes of image files to 8-bit RGB and transparency."""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
from PIL import Image, ImageCms

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import ImageReadError

from . import heif, tiff

# Pixels that are copied from Pillow in one piece.
_BAND = 1 << 20

# Color space signature of the ICC profiles that fit each Pillow mode.
_SPACES = {"L": b"GRAY", "CMYK": b"CMYK", "LAB": b"Lab "}


def to_rgb(image: Image.Image) -> tuple[UInt8Array, UInt8Array | None, bytes | None]:
    """Converts a loaded Pillow image to RGB and transparency.

    Returns:
        uint8 `[H, W, 3]` RGB; uint8 `[H, W]` alpha, 0 (transparent) to 255, or `None` if the mode
        has none; and the ICC profile of the RGB values, `None` for sRGB.

    Raises:
        ImageReadError: If the pixels have 32 bits: their values for black and white are unknown.
    """
    icc = image.info.get("icc_profile") or None
    alpha = _transparent_gray(image)
    image = _eight_bits(image)
    if image.has_transparency_data:
        alpha = to_array(image.convert("RGBA").getchannel("A"))
    if image.mode in ("LA", "La", "1"):
        image = image.convert("L")
    if image.mode in _SPACES:
        return to_array(_srgb(image, icc)), alpha, None
    if image.mode == "RGBa":
        image = image.convert("RGBA")
    if icc is not None and icc[16:20] != b"RGB ":
        icc = None
    # `convert` copies even where there is nothing to convert.
    return to_array(image if image.mode == "RGB" else image.convert("RGB")), alpha, icc


def bits_per_channel(image: Image.Image) -> int:
    """Returns how many bits per channel an image has; 8 if it has fewer.

    Call it before the image is loaded: Pillow reduces 16-bit color without a trace.
    """
    bits = tiff.bits_per_channel(image) or heif.color_and_bits(image)[1]
    if bits > 8 or image.format in ("TIFF", "AVIF", "HEIF"):
        return max(8, bits)
    if image.mode.startswith("I"):
        return 16
    for decoder, *_, arguments in getattr(image, "tile", ()):
        # The last argument is the largest value for PPM; others have the raw mode (in BMP, "BGR;16"
        # means 5 bits per channel).
        ppm = decoder.startswith("ppm")
        if arguments[-1] > 255 if ppm else re.search(";16[BLN]", str(arguments)):
            return 16
    return 8


def to_array(image: Image.Image) -> UInt8Array:
    """Copies a Pillow image of 8-bit channels to a new array.

    It copies some rows at a time: `np.array` would need memory for two more copies of the image.
    """
    width, height = image.size
    shape = (height, width, len(image.getbands())) if len(image.getbands()) > 1 else (height, width)
    pixels = np.empty(shape, np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _transparent_gray(image: Image.Image) -> UInt8Array | None:
    """Returns the transparency of 16-bit gray of which one value is transparent (PNG)."""
    value = image.info.get("transparency")
    if not image.mode.startswith("I") or not isinstance(value, int):
        return None
    return np.where(np.asarray(image) == value, 0, 255).astype(np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit gray to 8 bits; 16-bit color was reduced by Pillow itself."""
    # Older versions of Pillow open 16-bit PNG and PGM as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        wide = np.asarray(image).astype(np.uint16)
        largest = (1 << (tiff.bits_per_channel(image) or 16)) - 1
        scaled = cv2.convertScaleAbs(wide, alpha=255 / largest)
        return Image.fromarray(255 - scaled if tiff.is_white_zero(image) else scaled)
    if image.mode in ("I", "F"):
        raise ImageReadError("32-bit pixels are not supported; save the image with 8 or 16 bits")
    return image


def _srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Converts by the image's ICC profile if it fits, otherwise by Pillow's formula."""
    target = ImageCms.createProfile("sRGB")
    try:
        if icc is not None and icc[16:20] == _SPACES[image.mode]:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        elif image.mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, profile, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        converted = None
    return image.convert("RGB") if converted is None else converted
