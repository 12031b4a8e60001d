"""The file formats in which videos are written, and their encoders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.validate import check_integer
from unmask_sdk.errors import InvalidInputError, VideoWriteError

from .hardware_encoders import arranged_format, check_opens, is_hardware
from .pixel_formats import PixelFormat

if TYPE_CHECKING:
    from av import Codec


@dataclass(frozen=True)
class Encoder:
    """A video encoder and its options.

    Attributes:
        name: FFmpeg's name.
        crf: Constant rate factor, by default one that is hard to tell from the original. `None` if
            the encoder does not support it and needs a bit rate.
        max_crf: The largest (worst) constant rate factor.
        options: Further options.
        fast_options: Those that `fast` replaces.
        bits: Bit depths for which it is the default.
        pixel_format: FFmpeg's name of what it is given, if that is not the frames' own format.
        interlaced: Whether it codes two fields in a frame.
    """

    name: str
    crf: int | None
    max_crf: int
    options: dict[str, str] = field(default_factory=dict)
    fast_options: dict[str, str] = field(default_factory=dict)
    bits: tuple[int, ...] = (8,)
    pixel_format: str | None = None
    interlaced: bool = False


H264 = Encoder("libx264", 18, 51, {"preset": "fast"}, {"preset": "veryfast"})
H265 = Encoder(
    "libx265",
    20,
    51,
    {"preset": "fast", "x265-params": "log-level=error"},
    {"preset": "superfast"},
    bits=(10, 12),
)
VP9 = Encoder(
    "libvpx-vp9",
    24,
    63,
    {"b:v": "0", "deadline": "good", "cpu-used": "4"},
    {"deadline": "realtime", "cpu-used": "8"},
)
AV1 = Encoder("libsvtav1", 26, 63, {"preset": "8"}, {"preset": "11"}, bits=(10,))
# Frames that x264 looks ahead, at most, and the pixels of all of them together. With the 30 of its
# preset it holds 45 frames, 3.3 MB each at 720p and 41 MB at 4K, where 3 save 1 GB. At 720p, 10
# save 66 MB; files are 2 to 9 % smaller, and their PSNR is 0.2 to 0.4 dB lower.
_LOOKAHEAD, _LOOKAHEAD_PIXELS, _LEAST_LOOKAHEAD = 10, 25_000_000, 3
# SVT-AV1's levels of parallelism end here.
_MOST_LP = 6
# x265 4.1 overwrites memory that is not its own at a width of 48 with 10 bits.
_LEAST_H265 = 64


@dataclass(frozen=True)
class Container:
    """A file format: FFmpeg's name, its encoders, and options for writing."""

    name: str
    encoders: tuple[Encoder, ...]
    options: dict[str, str] = field(default_factory=dict)


_MP4 = Container("mp4", (H264, H265), {"movflags": "+faststart"})
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", (H264, H265), {"movflags": "+faststart"}),
    ".mkv": Container("matroska", (H264, H265)),
    ".webm": Container("webm", (VP9, AV1)),
}


def is_lossy(codec: str) -> bool:
    """Returns whether an encoder is one of those for players."""
    return codec in [encoder.name for encoder in (H264, H265, VP9, AV1)]


def container_of(path: Path) -> Container:
    """Returns the file format for the extension.

    Raises:
        VideoWriteError: If the extension is not in `CONTAINERS`.
    """
    form = CONTAINERS.get(path.suffix.lower())
    if form is None:
        raise VideoWriteError(
            f"{path}: videos cannot be written with the extension {path.suffix!r}; "
            f"use one of {', '.join(CONTAINERS)}"
        )
    return form


def choose_encoder(
    container: Container,
    pixels: PixelFormat,
    codec: str | None,
    crf: int | None,
    *,
    fast: bool = False,
    threads: int = 1,
) -> Encoder:
    """Chooses the encoder and completes its options.

    Args:
        container: The file format.
        pixels: The pixel format of the frames.
        codec: FFmpeg's name of an encoder; `None` chooses one for the container.
        crf: Constant rate factor; `None` takes the encoder's default.
        fast: Whether to take a faster preset, for larger files.
        threads: Threads of the encoder.

    Raises:
        VideoWriteError: If there is no such encoder, it does not support the pixel format, or its
            hardware is not on this device.
        InvalidInputError: If `crf` is not an integer, or out of its range.
    """
    known = {encoder.name: encoder for encoder in (H264, H265, VP9, AV1)}
    fitting = [e for e in container.encoders if pixels.bits in e.bits]
    if codec is None and not fitting:
        raise VideoWriteError(
            f"there is no encoder for {container.name} with {pixels.bits} bits; "
            f"{_advice(container, pixels)}"
        )
    chosen = fitting[0] if codec is None else known.get(codec, Encoder(codec, None, 0))
    if chosen.name == AV1.name:
        # It prints its settings to stderr, and has no option against that; set SVT_LOG=4 for all.
        os.environ.setdefault("SVT_LOG", "0")
    found = _codec(chosen.name)
    if found is None:
        raise VideoWriteError(
            f"this PyAV has no encoder {chosen.name}; install PyAV from PyPI "
            f"({pip_command('install av')}), or choose another codec, such as mpeg4"
        )
    if found.type != "video":
        raise VideoWriteError(
            f"{chosen.name} is not a video encoder; choose one, such as mpeg4, or leave codec out"
        )
    formats = _formats(chosen.name)
    given = arranged_format(pixels.name, formats)
    # Encoders of chips under Linux (V4L2) do not list the formats: opening them shows.
    if given not in formats and (formats or not is_hardware(found)):
        raise VideoWriteError(
            f"{chosen.name} does not support {pixels.name}, only {', '.join(sorted(formats))}; "
            f"{_advice(container, pixels, codec)}"
        )
    if chosen.name == H265.name and pixels.width < _LEAST_H265:
        raise VideoWriteError(
            f"{chosen.name} crashes on videos of {pixels.width}x{pixels.height}, narrower than "
            f"{_LEAST_H265} pixels; write an .mkv with the codec ffv1"
        )
    if is_hardware(found):
        check_opens(chosen.name, given, pixels.width, pixels.height)
    if given != pixels.name:
        chosen = replace(chosen, pixel_format=given)
    if chosen.crf is None:
        if crf is not None:
            raise InvalidInputError(f"crf is supported by {', '.join(known)} only, not by {codec}")
        return chosen
    crf = chosen.crf if crf is None else crf
    check_integer(f"crf (0 is best) for {chosen.name}", crf, 0, chosen.max_crf)
    options = {**chosen.options, **(chosen.fast_options if fast else {}), "crf": str(crf)}
    return replace(
        chosen, crf=crf, options={**options, **_limits(options, chosen, pixels, threads)}
    )


def _limits(
    options: dict[str, str], encoder: Encoder, pixels: PixelFormat, threads: int
) -> dict[str, str]:
    """Returns the options that limit memory, and threads where the number alone does not."""
    if encoder.name == H264.name:
        lookahead = _LOOKAHEAD_PIXELS // (pixels.width * pixels.height)
        return {"rc-lookahead": str(min(max(lookahead, _LEAST_LOOKAHEAD), _LOOKAHEAD))}
    if encoder.name == H265.name:
        return {"x265-params": f"{options['x265-params']}:pools={threads}"}
    if encoder.name == AV1.name:
        return {"svtav1-params": f"lp={min(threads, _MOST_LP)}"}
    return {}


def _advice(container: Container, pixels: PixelFormat, codec: str | None = None) -> str:
    """Returns what writes frames of a pixel format; never what was just refused."""
    if codec is not None and _default_fits(container, pixels):
        return "choose another codec, or leave it out"
    for ending in (".mkv", ".mp4"):
        if CONTAINERS[ending] is not container and _default_fits(CONTAINERS[ending], pixels):
            return f"write an {ending}"
    return "write an .mkv with the codec ffv1"


def _default_fits(container: Container, pixels: PixelFormat) -> bool:
    return any(
        pixels.bits in encoder.bits and pixels.name in _formats(encoder.name)
        for encoder in container.encoders
    )


def _codec(name: str) -> Codec | None:
    """Returns an encoder, or `None` if there is none of this name."""
    from av import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return Codec(name, "w")
    except UnknownCodecError:
        return None


def _formats(name: str) -> set[str]:
    """Returns the pixel formats that an encoder lists."""
    codec = _codec(name)
    return {form.name for form in (codec.video_formats if codec is not None else None) or ()}
