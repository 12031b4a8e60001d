"""Reads video files: packets to copy, and decoded frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.errors import VideoReadError

from .timeline import Timeline

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Playlists are not allowed, whatever their extension: they could open other files and URLs.
_FORMATS = (
    "asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,"
    "rm,yuv4mpegpipe"
)
_SAFE = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}

# Formats that store the duration; for others FFmpeg estimates it from the data.
_STORE_DURATION = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "mxf")
# Tolerance of the stored duration, in seconds and frames: it is rounded, and sound begins earlier.
_SLACK, _SLACK_FRAMES = 0.25, 2


@contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """Opens a video.

    Raises:
        VideoReadError: If it does not exist or cannot be read.
    """
    import av

    try:
        if not path.is_file():
            if not path.exists():
                raise VideoReadError(f"{path} does not exist; a video file is needed")
            what = "a folder" if path.is_dir() else "not a regular file"
            raise VideoReadError(f"{path} is {what}; a video file is needed")
        # `file:`, because a colon in a name would make it a URL.
        source = av.open(f"file:{path}", "r", options=_SAFE, metadata_errors="replace")
    except av.FFmpegError as error:
        raise VideoReadError(
            f"{path} is not a video that can be read: {error.strerror}; if it plays elsewhere, "
            "convert it to an .mp4 first"
        ) from error
    with source:
        yield source


def find_video_stream(source: InputContainer, path: Path) -> VideoStream:
    """Returns the first video stream of a file that is not a cover image.

    Raises:
        VideoReadError: If there is none, or it cannot be decoded.
    """
    from av.stream import Disposition

    for stream in source.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise VideoReadError(f"{path}: there is no decoder for its video; convert it first")
            return stream
    kinds: list[str] = sorted({stream.type for stream in source.streams}) or ["nothing"]
    raise VideoReadError(
        f"{path} has no video, only {' and '.join(kinds)}; for images use `unmask image`"
    )


class VideoReader:
    """Reads packets from a file and decodes those of its video stream.

    Args:
        source: The opened file.
        stream: Its video stream.
        threads: Threads of the decoder.

    Attributes:
        damaged: Number of packets that could not be read or decoded.
        late_streams: Whether a stream began in the middle of the file, which is left out.
        total: Number of frames, possibly estimated; `None` if it is unknown.
    """

    def __init__(self, source: Any, stream: Any, threads: int) -> None:
        self._source = source
        self._stream = stream
        self._decoder = _alpha_decoder(stream)
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        if self._decoder is not None:
            self._decoder.thread_count = threads
        self._packets: list[Any] = []
        self.damaged = 0
        self.late_streams = False
        self._last: int | None = None
        # End of the last packet of any stream, in seconds, as stored.
        self._end = 0.0
        self._begin = min(0.0, (source.start_time or 0) / 1_000_000)
        rate = stream.average_rate or stream.guessed_rate
        self._stored = _stored_duration(source, stream, rate)
        self._slack = max(_SLACK, _SLACK_FRAMES / float(rate)) if rate else _SLACK
        self._step = max(1, round(1 / (rate * stream.time_base))) if rate else 1
        self._timeline = Timeline(source, stream, self._step * (stream.time_base or Fraction(0)))
        length = None
        if stream.duration is not None:
            length = float(stream.duration * stream.time_base)
        elif source.duration is not None:
            length = source.duration / 1_000_000
        self.total: int | None = stream.frames or None
        if self.total is None and length is not None and rate:
            self.total = max(1, round(length * float(rate)))

    def first_frame(self, path: Path) -> av.VideoFrame:
        """Decodes the first frame ahead of time; `items` returns it again.

        Raises:
            VideoReadError: If no frame can be decoded.
        """
        self._demuxed = self._timeline(self._demux())
        for packet in self._demuxed:
            decoded = self._decode(packet) if packet.stream is self._stream else None
            self._packets.append((packet, decoded))
            if decoded:
                return decoded[0]
        raise VideoReadError(
            f"{path}: none of its video could be decoded ({self._stream.codec_context.name}); "
            "it is damaged, or convert it to an .mp4 first"
        )

    def items(self, copied: set[int]) -> Iterator[Any]:
        """Yields packets of the streams that are copied, and lists of frames, in file order.

        A frame lasts until the next one. What files store is the time to the next in the order of
        decoding, which is another one.
        """
        waiting: list[av.VideoFrame] = []
        for packet, decoded in self._all():
            if decoded is not None:
                waiting += decoded
                for frame, after in pairwise(waiting):
                    # The timeline gives every frame a time.
                    assert frame.pts is not None
                    assert after.pts is not None
                    frame.duration = after.pts - frame.pts
                yield waiting[:-1]
                waiting = waiting[-1:]
            elif packet.stream.index in copied:
                yield packet
        for frame in waiting:
            frame.duration = self._last_duration(frame)
        yield waiting

    @property
    def jumps(self) -> int:
        """How often the timestamps began anew."""
        return self._timeline.jumps

    def cut_off(self) -> str | None:
        """Returns a note if the file ended before its stored duration, else `None`."""
        stored, end = self._stored, max(self._end - self._begin, float(self._timeline.end))
        if stored is None or stored - end <= self._slack:
            return None
        return (
            f"its stored duration is {stored:.1f} s, but it ends after {end:.1f} s: it is cut off"
        )

    def _demux(self) -> Iterator[Any]:
        import av

        packets = self._source.demux()
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # How PyAV ends a file in which another stream began later.
                self.late_streams = True
                return
            except av.FFmpegError:  # The rest of the file cannot be read.
                self.damaged += 1
                # An empty packet asks the decoder for the frames that it still holds.
                packet = av.Packet()
                packet.stream = self._stream
                yield packet
                return
            if packet is None:
                return
            begin = packet.dts if packet.pts is None else packet.pts
            if begin is not None:
                end = float((begin + (packet.duration or 0)) * packet.time_base)
                self._end = max(self._end, end)
            yield packet

    def _all(self) -> Iterator[tuple[Any, list[av.VideoFrame] | None]]:
        while self._packets:
            yield self._packets.pop(0)
        for packet in self._demuxed:
            yield packet, self._decode(packet) if packet.stream is self._stream else None

    def _decode(self, packet: Any) -> list[av.VideoFrame]:
        import av

        try:
            if self._decoder is None:
                frames: list[av.VideoFrame] = packet.decode()
            else:
                frames = self._decoder.decode(packet if packet.size else None)
        except av.FFmpegError:
            self.damaged += 1
            return []
        for frame in frames:
            self._time(frame)
        return frames

    def _time(self, frame: av.VideoFrame) -> None:
        """Makes the frame times complete and increasing, as encoders require."""
        last = self._last
        if frame.pts is None:
            frame.pts = 0 if last is None else last + self._step
        elif last is not None and frame.pts <= last:
            frame.pts = last + 1
        frame.time_base = self._stream.time_base
        self._last = frame.pts

    def _last_duration(self, frame: av.VideoFrame) -> int:
        """Returns for how long the last frame is shown: to the end of the stream, if known."""
        stream = self._stream
        if stream.duration is not None and not self.jumps and self.cut_off() is None:
            start = (stream.start_time or 0) - round(self._timeline.start / stream.time_base)
            if start + stream.duration > frame.pts:
                return int(start + stream.duration - frame.pts)
        return frame.duration or self._step


def _alpha_decoder(stream: Any) -> Any:
    """Returns a decoder for the transparency of WebM, which FFmpeg's own ones leave out."""
    from av import CodecContext
    from av.codec.codec import UnknownCodecError

    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    try:
        return CodecContext.create(name, "r")
    except UnknownCodecError:
        return None


def _stored_duration(source: Any, stream: Any, rate: Any) -> float | None:
    """Returns the duration that is stored in a file, in seconds; `None` if there is none."""
    if source.format.name == "avi" and stream.frames and rate:
        return float(stream.frames / rate)
    if source.format.name in _STORE_DURATION and source.duration is not None:
        return float(source.duration / 1_000_000)
    return None
