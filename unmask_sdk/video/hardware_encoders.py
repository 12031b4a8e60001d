"""Encoders of graphics cards and chips: which this FFmpeg has, and whether one opens here."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from unmask_sdk.errors import VideoWriteError

if TYPE_CHECKING:
    from av import Codec

# The arrangements of samples that such encoders take in place of planes, without loss.
_ARRANGED = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
# Any rate: the encoder is closed again.
_RATE = 25


def hardware_encoders() -> list[str]:
    """Returns FFmpeg's names of the hardware encoders that this PyAV has, on whatever device."""
    from av import Codec
    from av.codec.codec import UnknownCodecError, codecs_available

    found = set()
    for name in codecs_available:
        try:
            codec = Codec(name, "w")
        except UnknownCodecError:  # Only a decoder.
            continue
        # A format may share its name with the encoder that is the default for it.
        if codec.name == name and codec.type == "video" and is_hardware(codec):
            found.add(name)
    return sorted(found)


def is_hardware(codec: Codec) -> bool:
    """Returns whether an encoder needs a device other than the processor."""
    from av.codec.codec import Capabilities

    return bool(codec.capabilities & (Capabilities.hardware | Capabilities.hybrid))


def arranged_format(name: str, supported: set[str]) -> str:
    """Returns the pixel format that an encoder takes for frames of another one.

    Args:
        name: FFmpeg's name of the format of the frames.
        supported: The formats that the encoder takes.
    """
    other = _ARRANGED.get(name)
    return other if name not in supported and other in supported else name


def check_opens(name: str, pixel_format: str, width: int, height: int) -> None:
    """Opens a hardware encoder once, before any work.

    Args:
        name: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the format that it is given.
        width: Width of the frames, in pixels.
        height: Height of the frames, in pixels.

    Raises:
        VideoWriteError: If it does not open on this device.
    """
    import av

    # PyAV's types do not show that it is one of video.
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base, context.framerate = Fraction(1, _RATE), Fraction(_RATE)
    try:
        context.open()
    except av.FFmpegError as error:
        raise VideoWriteError(
            f"{name} does not open for {width}x{height} {pixel_format} on this device "
            f"({error.strerror}): it needs the chip and its driver; leave codec out, or choose one "
            f"that this device has. This FFmpeg offers: {', '.join(hardware_encoders())}"
        ) from error
