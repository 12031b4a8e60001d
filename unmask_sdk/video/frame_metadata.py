"""Facts of frames besides pixels: HDR10, interlacing, transparency; kept, or reported as lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoders import Encoder
from .pixel_formats import PixelFormat, Turn

if TYPE_CHECKING:
    import av

# Encoders that code two fields in a frame, as FFmpeg has them.
_INTERLACED = ("libx264", "mpeg4", "prores_ks")
# Lossy encoders store what is opaque as a little less than 255.
_OPAQUE = 250
# Numbers of `AVFieldOrder` by which the top field is shown first.
_TOP_FIRST = (2, 5)
# Libraries that take the metadata of HDR10 as parameters: the option, the names of its parameters,
# and the units of chromaticities and of luminance.
_HDR10 = {
    "libx264": ("x264-params", "mastering-display", "cll", 50_000, 10_000),
    "libx265": ("x265-params", "master-display", "max-cll", 50_000, 10_000),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light", 1, 1),
}
_LOST = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "SPHERICAL": "the 360-degree projection",
    "STEREO3D": "the layout of stereo 3D",
    "ICC_PROFILE": "the ICC profile",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "S12M_TIMECODE": "the time code of frames",
    "A53_CC": "closed captions",
}
# What the encoder writes again from the frames that it gets.
_CARRIED = {"libx264": {"A53_CC"}}


def keep_frame_metadata(
    encoder: Encoder, stream: Any, frame: av.VideoFrame, pixels: PixelFormat
) -> tuple[Encoder, list[str]]:
    """Completes an encoder with what the first frame says.

    Returns:
        The encoder, and notes on what it cannot keep.
    """
    side_data: Any = frame.side_data  # PyAV's types have it iterate over names.
    kinds = {data.type.name: bytes(data) for data in side_data}
    upright = pixels.turn == Turn()
    carried = _CARRIED.get(encoder.name, set()) if upright else set()
    lost = {_LOST[kind] for kind in kinds if kind in _LOST and kind not in carried}
    encoder, kept = _with_hdr10(encoder, kinds)
    if not kept:
        lost.add("HDR10 mastering display and light levels")
    if pixels.alpha:  # Frames out of their order would have the transparency of others.
        encoder = replace(encoder, options={**encoder.options, "auto-alt-ref": "0"})
    notes = [f"not kept, because {encoder.name} cannot: {what}" for what in sorted(lost)]
    if frame.interlaced_frame:
        # 4:2:0 has a chroma line for two lines of each field.
        if encoder.name in _INTERLACED and upright and pixels.height % 4 == 0:
            encoder = _with_fields(encoder, stream)
        else:
            notes.append(
                f"the video is interlaced, and {encoder.name} writes both fields as one frame, "
                "which players no longer deinterlace; deinterlace it first: ffmpeg -i IN -vf bwdif "
                "NEW.mkv"
            )
    return encoder, notes


def is_transparent(frame: av.VideoFrame) -> bool:
    """Returns whether a pixel of a decoded frame is not opaque."""
    if not any(part.is_alpha for part in frame.format.components):
        return False
    return bool((frame.to_ndarray(format="rgba")[..., 3] < _OPAQUE).any())


def _with_fields(encoder: Encoder, stream: Any) -> Encoder:
    """Returns the encoder for interlaced frames; x264 needs to know which field is first."""
    order = getattr(stream.codec_context, "field_order", 0)  # Of PyAV 18.
    if encoder.name == "libx264" and order:
        words = [encoder.options.get("x264-params"), "tff=1" if order in _TOP_FIRST else "bff=1"]
        params = ":".join(word for word in words if word)
        encoder = replace(encoder, options={**encoder.options, "x264-params": params})
    return replace(encoder, interlaced=True)


def _with_hdr10(encoder: Encoder, kinds: dict[str, bytes]) -> tuple[Encoder, bool]:
    """Returns the encoder with the parameters of HDR10, and whether it can keep them."""
    stored, light = kinds.get("MASTERING_DISPLAY_METADATA"), kinds.get("CONTENT_LIGHT_LEVEL")
    if stored is None and light is None:
        return encoder, True
    if encoder.name not in _HDR10:
        return encoder, False
    option, display, levels, color, luminance = _HDR10[encoder.name]
    words = [encoder.options[option]] if option in encoder.options else []
    complete = True
    if stored is not None:
        text = _mastering_display(stored, color, luminance)
        complete = text is not None
        words += [f"{display}={text}"] if text is not None else []
    if light is not None:
        most, average = np.frombuffer(light, np.uint32)[:2]
        words.append(f"{levels}={most},{average}")
    return replace(encoder, options={**encoder.options, option: ":".join(words)}), complete


def _mastering_display(stored: bytes, color: int, luminance: int) -> str | None:
    """Writes an `AVMasteringDisplayMetadata` as encoders read it; `None` if it is not complete."""
    numbers = np.frombuffer(stored, np.int32)
    ratios, flags = numbers[:20].reshape(10, 2), numbers[20:22]
    if not flags.all() or not ratios[:, 1].all():
        return None
    values = ratios[:, 0] / ratios[:, 1]

    def pair(name: str, both: Any, unit: int) -> str:
        x, y = (f"{v:.6f}" if unit == 1 else str(round(v * unit)) for v in both)
        return f"{name}({x},{y})"

    red, green, blue, white, (least, most) = values.reshape(5, 2)
    return (
        pair("G", green, color)
        + pair("B", blue, color)
        + pair("R", red, color)
        + pair("WP", white, color)
        + pair("L", (most, least), luminance)
    )
