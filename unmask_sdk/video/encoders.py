"""The file formats that videos are written in, and how they are encoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.validate import check_integer
from unmask_sdk.errors import InvalidInputError, VideoWriteError

from .pixel_formats import PixelFormat


@dataclass(frozen=True)
class Encoder:
    """How to encode.

    Attributes:
        name: FFmpeg's name.
        crf: Constant rate factor: what is hard to tell from the original. None if it knows none,
            and gets a bit rate instead.
        max_crf: The worst one.
        options: Further options.
        bits: Depths for which it is taken unless another is asked for.
    """

    name: str
    crf: int | None
    max_crf: int
    options: dict[str, str] = field(default_factory=dict)
    bits: tuple[int, ...] = (8,)


H264 = Encoder("libx264", 18, 51, {"preset": "fast"})
H265 = Encoder(
    "libx265", 20, 51, {"preset": "fast", "x265-params": "log-level=error"}, bits=(10, 12)
)
VP9 = Encoder("libvpx-vp9", 24, 63, {"b:v": "0", "deadline": "good", "cpu-used": "4"})
AV1 = Encoder("libsvtav1", 26, 63, {"preset": "8"}, bits=(10,))


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


def container_of(path: Path) -> Container:
    """Tells the file format by the extension, or raises `VideoWriteError`."""
    form = CONTAINERS.get(path.suffix.lower())
    if form is None:
        raise VideoWriteError(
            f"{path}: the extension {path.suffix!r} names no video that can be written; "
            f"use one of {', '.join(CONTAINERS)}"
        )
    return form


def choose_encoder(
    container: Container, pixels: PixelFormat, codec: str | None, crf: int | None
) -> Encoder:
    """Chooses the encoder, with its options complete.

    Raises:
        VideoWriteError: If there is none, or it cannot hold such pixels.
        InvalidInputError: If `crf` is no whole number, or out of its range.
    """
    known = {encoder.name: encoder for encoder in (H264, H265, VP9, AV1)}
    fitting = [e for e in container.encoders if pixels.bits in e.bits]
    if codec is None and not fitting:
        raise VideoWriteError(
            f"{container.name} with {pixels.bits} bits has no encoder here; write an .mkv"
        )
    chosen = fitting[0] if codec is None else known.get(codec, Encoder(codec, None, 0))
    formats = _formats(chosen.name)
    if formats is None:
        raise VideoWriteError(
            f"this PyAV has no encoder {chosen.name}; install PyAV from PyPI "
            f"({pip_command('install av')}), or choose another codec, such as mpeg4"
        )
    if not formats:
        raise VideoWriteError(
            f"{chosen.name} encodes no pictures; choose a video encoder, such as mpeg4, or leave "
            "codec out"
        )
    if pixels.name not in formats:
        raise VideoWriteError(
            f"{chosen.name} cannot hold {pixels.name} pixels, only {', '.join(sorted(formats))}; "
            "choose another codec, or write an .mkv"
        )
    if chosen.crf is None:
        if crf is not None:
            raise InvalidInputError(f"crf is known for {', '.join(known)} only, not for {codec}")
        return chosen
    crf = chosen.crf if crf is None else crf
    check_integer(f"crf (0 is best) for {chosen.name}", crf, 0, chosen.max_crf)
    return replace(chosen, crf=crf, options={**chosen.options, "crf": str(crf)})


def _formats(codec: str) -> set[str] | None:
    from av import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return {form.name for form in Codec(codec, "w").video_formats or ()}
    except UnknownCodecError:
        return None
