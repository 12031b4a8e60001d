"""Writes video files: encodes frames, copies sound and subtitles."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.atomic_write import PartialFile
from unmask_sdk.core.scheduling import kept_scheduling
from unmask_sdk.errors import VideoWriteError

from .copies import holds, needs_tee, other_endings, tee_name
from .encoders import Container, Encoder, container_of
from .pixel_formats import FULL, PixelFormat
from .timeline import start_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# Metadata of the file.
COMMENT = "Processed by unmask-sdk: what shows where a face mask was is generated."
# For encoders without constant quality.
_BITS_PER_PIXEL = 0.15
# Seconds between packets of sound, at least: the ticks of the new file may be coarser.
_LEAST_STEP = Fraction(1, 1000)
# Metadata of the container that was read, which is not true of the new one.
_NOT_KEPT = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


class VideoWriter:
    """A video file that is written under a temporary name in the same folder.

    Args:
        path: The file; an existing one is replaced at the end.
        source: The video whose other streams and metadata are copied.
        stream: Its video stream.
        pixels: The pixel format of the frames.
        encoder: From `choose_encoder`.
        threads: Threads of the encoder.

    Attributes:
        notes: Streams that could not be copied, in words.

    Raises:
        VideoWriteError: If the format does not support the sound, or the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        source: InputContainer,
        stream: VideoStream,
        pixels: PixelFormat,
        encoder: Encoder,
        threads: int,
    ) -> None:
        import av

        self._threads = threads
        self._path = path
        self._partial = PartialFile(path)
        form = container_of(path)
        self.notes: list[str] = []
        target, name = f"file:{self._partial.path}", form.name
        tee = any(needs_tee(form, other) for other in source.streams.audio)
        if tee:
            target, name = tee_name(form, target), "tee"
            if source.chapters():
                self.notes.append("chapters were left out: not supported with this sound")
        # The least time of the next packet of each copied stream, in its time base.
        self._least: dict[int, int] = {}
        try:
            self._file: OutputContainer = av.open(
                target, "w", format=name, container_options=form.options
            )
        except av.FFmpegError as error:
            raise VideoWriteError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._video = self._add_video(stream, pixels, encoder, form)
            self._copies = self._add_copies(source, stream, form)
            kept = {k: v for k, v in source.metadata.items() if k not in _NOT_KEPT}
            old = kept.get("comment")
            kept["comment"] = COMMENT if not old or COMMENT in old else f"{old}\n{COMMENT}"
            self._file.metadata.update(kept)
            self._file.set_chapters(_chapters(source, stream))
        except BaseException:
            self.discard()
            raise

    def _add_video(
        self, stream: VideoStream, pixels: PixelFormat, encoder: Encoder, form: Container
    ) -> VideoStream:
        from av.codec.context import Flags

        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        try:
            video: Any = self._file.add_stream(encoder.name, rate=rate, options=encoder.options)
        except ValueError as error:
            raise VideoWriteError(
                f"{self._path}: {error}; leave codec out, or choose another one"
            ) from error
        context, original = video.codec_context, stream.codec_context
        video.width, video.height = pixels.width, pixels.height
        video.pix_fmt = encoder.pixel_format or pixels.name
        if encoder.crf is None:
            context.bit_rate = round(_BITS_PER_PIXEL * pixels.width * pixels.height * rate)
        # Frames keep their times, even if these are irregular.
        context.time_base = stream.time_base
        context.thread_type = "AUTO"
        context.thread_count = self._threads
        context.flags |= Flags.frame_duration  # That of the last frame reaches the file.
        if stream.codec_context.name == "gif":
            # MP4 holds the time to the next frame in the order of decoding: if the last frame is
            # not also decoded last, readers miss how long a slide stays.
            context.max_b_frames = 0
        if form.name in ("matroska", "webm"):
            context.flags |= Flags.global_header  # Which PyAV sets, but not through `tee`.
        if encoder.interlaced:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            if hasattr(context, "field_order"):  # Of PyAV 18.
                context.field_order = original.field_order
        context.colorspace = original.colorspace if original.colorspace else 2  # 0 means RGB.
        context.color_primaries = original.color_primaries
        context.color_trc = original.color_trc
        context.color_range = pixels.range if original.color_range or pixels.range == FULL else 0
        ratio = stream.sample_aspect_ratio
        if ratio:
            context.sample_aspect_ratio = 1 / ratio if pixels.turn.transpose else ratio
        if encoder.name == "libx265" and form.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players support no other.
        video.metadata.update(_labels(stream))
        if pixels.alpha:
            video.metadata["alpha_mode"] = "1"
        video.disposition = stream.disposition
        return video  # type: ignore[no-any-return]

    def _add_copies(
        self, source: InputContainer, stream: VideoStream, form: Container
    ) -> dict[int, Stream]:
        """Adds the streams that are copied; returns them by their index in the source."""
        copies: dict[int, Stream] = {}
        for other in source.streams:
            if other.index == stream.index:
                continue
            try:
                if other.type not in ("audio", "subtitle") or other.codec_context is None:
                    raise ValueError("not sound or subtitles")
                if other.type == "audio" and not holds(form, other):
                    raise ValueError("not a sound that the format holds")
                copy = self._file.add_stream_from_template(other, opaque=True)
            except ValueError as error:
                name = other.codec_context.name if other.codec_context else "unknown"
                if other.type == "audio":
                    raise VideoWriteError(
                        f"{self._path.suffix} does not support the sound of "
                        f"{source.name.removeprefix('file:')} ({name}); "
                        f"{other_endings(self._path.suffix.lower(), list(source.streams.audio))}"
                    ) from error
                self.notes.append(
                    f"stream {other.index} was left out ({other.type}, {name}); "
                    f"{form.name} does not support it, or it cannot be copied"
                )
                continue
            copy.metadata.update(_labels(other))
            copy.disposition = other.disposition
            copies[other.index] = copy
        return copies

    @property
    def copied(self) -> set[int]:
        """Indices in the source of the streams that are copied."""
        return set(self._copies)

    def write(self, item: av.Packet[Any] | av.VideoFrame) -> None:
        """Copies a packet of another stream, or encodes a frame."""
        import av

        if isinstance(item, av.VideoFrame):
            self.encode(item)
        else:
            self.copy(item)

    def copy(self, packet: av.Packet[Any]) -> None:
        """Copies a packet of a stream other than the video.

        Times that do not increase, which most formats refuse, are made to.
        """
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None:
            return
        index = packet.stream.index
        late = max(0, self._least.get(index, packet.dts) - packet.dts)
        packet.dts += late
        if packet.pts is not None:
            packet.pts += late
        step = ceil(_LEAST_STEP / packet.time_base) if packet.stream.type == "audio" else 0
        self._least[index] = packet.dts + step
        packet.stream = self._copies[index]
        self._mux([packet])

    def encode(self, frame: av.VideoFrame | None) -> None:
        """Encodes a frame; `None` ends the stream."""
        import av

        try:
            # The first frame opens the encoder.
            with nullcontext() if self._video.codec_context.is_open else kept_scheduling():
                packets = self._video.encode(frame)
        except av.FFmpegError as error:
            raise VideoWriteError(
                f"cannot encode {self._path}: {error.strerror}; choose another codec"
            ) from error
        self._mux(packets)

    def _mux(self, packets: list[Any]) -> None:
        import av

        try:
            self._file.mux(packets)
        except av.FFmpegError as error:
            raise VideoWriteError(f"cannot write {self._path}: {error.strerror}") from error

    def finish(self) -> None:
        """Completes the file and moves it to its final path."""
        import av

        try:
            self.encode(None)
            self._file.close()
            self._partial.commit()
        except (av.FFmpegError, OSError) as error:
            raise VideoWriteError(f"cannot write {self._path}: {error.strerror}") from error
        finally:
            self._partial.discard()

    def discard(self) -> None:
        """Removes what was written."""
        import av

        try:
            self._file.close()
        except (av.FFmpegError, ValueError):  # The file is discarded anyway.
            pass
        finally:
            self._partial.discard()


def _labels(stream: Stream) -> dict[str, str]:
    return {k: v for k, v in stream.metadata.items() if k in ("language", "title", "handler_name")}


def _chapters(source: InputContainer, stream: VideoStream) -> list[Any]:
    """Returns the chapters of a file on the clock of its `Timeline`."""
    start = start_of(source, stream)
    moved = []
    chapters: list[Any] = source.chapters()
    for chapter in chapters:
        ticks = round(start / chapter["time_base"])
        if chapter["end"] <= ticks:
            continue
        times = {name: max(0, chapter[name] - ticks) for name in ("start", "end")}
        moved.append({**chapter, **times})
    return moved
