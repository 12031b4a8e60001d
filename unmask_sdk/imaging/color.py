"""From the ways in which a file may hold colours to 8-bit RGB and transparency."""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
from PIL import Image, ImageCms

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import ImageReadError

# Pixels that are taken from Pillow at once.
_BAND = 1 << 20

# What a profile says of itself, for the Pillow modes that are converted by it.
_SPACES = {"L": b"GRAY", "CMYK": b"CMYK", "LAB": b"Lab "}


def to_rgb(image: Image.Image) -> tuple[UInt8Array, UInt8Array | None, bytes | None]:
    """Takes a loaded Pillow image apart.

    Returns:
        uint8 `[H, W, 3]` RGB; uint8 `[H, W]` transparency, 0 (clear) to 255, or None if the mode
        has none; and the colour profile of the RGB values, None for sRGB.

    Raises:
        ImageReadError: If the pixels have 32 bits: nothing says what is black and what white.
    """
    icc = image.info.get("icc_profile") or None
    image = _eight_bits(image)
    alpha = None
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


def has_more_than_8_bits(image: Image.Image) -> bool:
    """Says whether a picture holds more than 8 bits a channel.

    To be asked before it is loaded: Pillow reduces 16-bit colour by itself, and then forgets.
    """
    if image.mode.startswith("I"):
        return True
    for decoder, *_, told in getattr(image, "tile", ()):
        # PPM says how many steps there are, others how the values lie; BMP's "BGR;16" are 5 bits.
        if told[-1] > 255 if decoder.startswith("ppm") else re.search(";16[BLN]", str(told)):
            return True
    return False


def to_array(image: Image.Image) -> UInt8Array:
    """Gives a Pillow image of 8-bit channels as an array of its own.

    Band by band: `np.array` would hold the picture two times more in between.
    """
    width, height = image.size
    shape = (height, width, len(image.getbands())) if len(image.getbands()) > 1 else (height, width)
    pixels = np.empty(shape, np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey to 8 bits; Pillow itself has done so with 16-bit colour."""
    # Older Pillows open 16-bit PNG and PGM as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        wide = np.asarray(image).astype(np.uint16)
        return Image.fromarray(cv2.convertScaleAbs(wide, alpha=255 / 65535))
    if image.mode in ("I", "F"):
        raise ImageReadError("32-bit pixels are not supported; save the picture with 8 or 16 bits")
    return image


def _srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Converts by the profile where there is one that fits, and by rule of thumb where not."""
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
