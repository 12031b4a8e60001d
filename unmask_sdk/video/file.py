"""Removes the masks from a video file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.core.output_paths import why_not_writable
from unmask_sdk.core.requirements import VIDEO
from unmask_sdk.core.validate import as_path, check_text
from unmask_sdk.errors import InvalidInputError, VideoWriteError
from unmask_sdk.pipeline import OpenedModel

from .background import ReadAhead, WriteBehind
from .encoders import VP9, Encoder, choose_encoder, container_of, is_lossy
from .frame_metadata import is_transparent, keep_frame_metadata
from .pixel_formats import PixelFormat, pixel_format_of
from .reader import VideoReader, find_video_stream, open_video
from .session import Session, unmask_in_place
from .writer import VideoWriter

if TYPE_CHECKING:
    import av

# Frames are processed in batches of at most this many pixels and frames: their faces share runs of
# the network, and memory use does not depend on the length of the video.
_BATCH_PIXELS, _BATCH_FRAMES = 3_000_000, 8
# Decoder and encoder gain little from more threads, each of which holds frames.
_MAX_CODEC_THREADS = 8
# With two or more threads this many bytes of frames wait for the session, and for the encoder: of
# frames of 720p 3 and 4 (each 4.1 MB with its RGB image, 1.4 MB without), of 4K one and one.
_AHEAD_BYTES, _BEHIND_BYTES = 12_000_000, 5_000_000
# What a packet of sound takes in addition to its data, about.
_PACKET_BYTES = 1_000


@dataclass(frozen=True)
class Progress:
    """Progress of processing a video.

    Attributes:
        frames: Number of frames done.
        total: Total number of frames, estimated until the last ones are done; `None` if unknown.
        seconds: Time in the video of the last frame done.
        elapsed: Processing time so far, in seconds.
    """

    frames: int
    total: int | None
    seconds: float
    elapsed: float


@dataclass(frozen=True)
class VideoReport:
    """Summary of a processed video.

    Attributes:
        frames: Number of frames written.
        masked: Number of frames in which a mask was removed.
        faces: Number of different faces, masked or not.
        seconds: Processing time, in seconds.
        length: Time in the video of the last frame, in seconds.
        complete: False if it was stopped before the end.
        notes: What could not be kept: streams left out, damaged frames, a file that is cut off.
    """

    frames: int
    masked: int
    faces: int
    seconds: float
    length: float
    complete: bool
    notes: tuple[str, ...]


class VideoInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; the file contains the frames that were done.

    Attributes:
        report: Summary of what was done.
    """

    def __init__(self, report: VideoReport) -> None:
        super().__init__()
        self.report = report


def unmask_video(
    model: OpenedModel,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    codec: str | None = None,
    crf: int | None = None,
    smooth: bool = True,
    fast: bool = False,
    progress: Callable[[Progress], object] | None = None,
    stop: threading.Event | None = None,
) -> VideoReport:
    """Removes the masks from all faces of a video; `model.video(…)` is the same.

    Decoder, networks and encoder take as many threads as the model was opened with (`load`), by
    default one for each CPU; with two or more they work at the same time.

    Frames keep their times, pixel format and color tags; a rotated video is stored upright. Sound
    and subtitles are copied unchanged. The file appears only when it is complete. If Ctrl-C or
    `stop` ends the work early, it contains the frames that were done, and can be played.

    Args:
        model: The model.
        source: A video file.
        target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
        codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8 bits), in
            WebM VP9 (AV1). An encoder of a graphics card or chip, such as h264_nvenc, is opened
            before any work; no other takes its place.
        crf: Constant rate factor, from 0 (best); 18 by default for H.264.
        smooth: Whether crops and fills are smoothed over time (`Session`).
        fast: Takes less time, for a larger file and fills that may flicker: a faster preset of
            libx264, libx265, libvpx-vp9 or libsvtav1, and fills that are not smoothed over time.
        progress: Called after each batch of frames, including the last.
        stop: Set it, from any thread, to end early.

    Returns:
        A summary of what was done.

    Raises:
        VideoReadError: If `source` is not a video that can be read.
        VideoWriteError: If `target` cannot be written, or does not support what the source has.
        InvalidInputError: If an argument is not valid.
        MissingDependencyError: If PyAV is not installed.
        VideoInterrupted: After Ctrl-C, when the file is finished; it is a `KeyboardInterrupt`. A
            second Ctrl-C stops immediately and leaves no file.
    """
    VIDEO.check("video")
    source, target = as_path("source", source), as_path("target", target)
    if stop is not None and not isinstance(stop, threading.Event):
        raise InvalidInputError(f"stop must be a threading.Event; got {stop!r}")
    if progress is not None and not callable(progress):
        raise InvalidInputError(f"progress must be a function of a Progress; got {progress!r}")
    if codec is not None:
        check_text("codec", codec)
    container = container_of(target)
    reason = why_not_writable(target)
    if reason is not None:
        raise VideoWriteError(f"cannot write {target}: {reason}")
    if os.path.exists(target) and os.path.exists(source) and target.samefile(source):
        raise InvalidInputError(f"{target} is the video to read; choose another OUT")
    start = time.perf_counter()

    def report_progress(work: _VideoJob, total: int | None) -> None:
        if progress is not None:
            progress(Progress(work.frames, total, work.time, time.perf_counter() - start))

    stop = stop or threading.Event()
    with open_video(source) as opened, _stop_on_interrupt(stop) as interrupted:
        stream = find_video_stream(opened, source)
        threads = min(model.runtime.threads or usable_cpus(), _MAX_CODEC_THREADS)
        reader = VideoReader(opened, stream, threads)
        first = reader.first_frame(source)
        pixels = pixel_format_of(
            first,
            playable=codec is None or is_lossy(codec),
            alpha=container.name == "webm" and codec in (None, VP9.name),
        )
        encoder = choose_encoder(container, pixels, codec, crf, fast=fast, threads=threads)
        encoder, notes = keep_frame_metadata(encoder, stream, first, pixels)
        format_notes = _format_notes(first, pixels, encoder)
        del first  # Or it would be kept to the end.
        file = VideoWriter(target, opened, stream, pixels, encoder, threads)
        try:
            with ExitStack() as stages:
                size = min(_BATCH_FRAMES, _BATCH_PIXELS // (pixels.width * pixels.height))
                size = max(1, size)
                items = _prepared(reader.items(file.copied), pixels)
                write: Callable[[Any], object] = file.write
                if threads > 1:
                    behind = WriteBehind(file.write, _BEHIND_BYTES, _bytes_of)
                    write = stages.enter_context(behind)
                    items = stages.enter_context(ReadAhead(items, _AHEAD_BYTES, _bytes_of))
                session = Session(model, smooth=smooth, smooth_fills=not fast)
                work = _VideoJob(session, write, pixels)
                for item in items:
                    # A file without frames cannot be played.
                    if stop.is_set() and (work.waiting or work.frames):
                        break
                    if not isinstance(item, _Prepared):
                        write(item)
                        continue
                    work.waiting.append(item)
                    del item  # Or its picture would be kept while the next one is read.
                    if len(work.waiting) == size:
                        work.process()
                        report_progress(work, reader.total)
                complete = not stop.is_set()
                work.process()
                report_progress(work, work.frames if complete else reader.total)
                if threads > 1:
                    behind.finish()
            file.finish()
        except BaseException:
            file.discard()
            raise
    notes += [*file.notes, *format_notes]
    if reader.damaged:
        notes.append(f"damaged parts of the video that were skipped: {reader.damaged}")
    if reader.late_streams:
        notes.append("a stream that begins in the middle of the file was left out")
    if reader.jumps:
        times = "once" if reader.jumps == 1 else f"{reader.jumps} times"
        notes.append(
            f"its timestamps began anew {times}, as in joined recordings; video and sound go on "
            "there without a gap"
        )
    cut = reader.cut_off() if complete else None
    if cut is not None:
        notes.append(f"{source}: {cut}")
    if work.transparent:
        notes.append("transparency was not kept")
    seconds = time.perf_counter() - start
    report = VideoReport(
        work.frames, work.masked, len(work.faces), seconds, work.time, complete, tuple(notes)
    )
    if interrupted.is_set() and not complete:
        raise VideoInterrupted(report)
    return report


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame that is ready for the session.

    Attributes:
        frame: From `PixelFormat.prepare`.
        image: uint8 `[H, W, 3]` RGB.
        time: In seconds.
        transparent: Whether transparency was there that the frame no longer has.
    """

    frame: av.VideoFrame
    image: UInt8Array
    time: float
    transparent: bool


def _prepared(items: Iterable[Any], pixels: PixelFormat) -> Iterator[Any]:
    """Yields the items of a `VideoReader`, with a `_Prepared` for each frame of a list."""
    for item in items:
        if not isinstance(item, list):
            yield item
            continue
        for decoded in item:
            transparent = not pixels.alpha and is_transparent(decoded)
            frame = pixels.prepare(decoded)
            moment = float((frame.pts or 0) * (frame.time_base or Fraction(0)))
            yield _Prepared(frame, pixels.rgb(frame), moment, transparent)


def _bytes_of(item: Any) -> int:
    """Returns about how many bytes a `_Prepared`, a frame or a packet takes."""
    if isinstance(item, _Prepared):
        return item.image.nbytes + _bytes_of(item.frame)
    if hasattr(item, "planes"):
        return sum(plane.buffer_size for plane in item.planes)
    return int(item.size) + _PACKET_BYTES


class _VideoJob:
    """Passes prepared frames through the session to the encoder, and counts them."""

    def __init__(
        self, session: Session, write: Callable[[av.VideoFrame], object], pixels: PixelFormat
    ) -> None:
        self._session = session
        self._write = write
        self._pixels = pixels
        self.waiting: list[_Prepared] = []
        self.frames = 0
        self.masked = 0
        self.time = 0.0
        self.faces: set[int | None] = set()
        self.transparent = False

    def process(self) -> None:
        """Unmasks and writes the waiting frames."""
        batch, self.waiting = self.waiting, []
        images, times = [one.image for one in batch], [one.time for one in batch]
        results = unmask_in_place(self._session, images, times)
        del images  # They are dropped frame by frame, while the encoder is waited for.
        while batch:
            one, (result, patches) = batch.pop(0), results.pop(0)
            frame = one.frame
            self._pixels.write(frame, result.image, patches)
            self.masked += any(face.masked for face in result.faces)
            self.faces.update(face.track for face in result.faces)
            self.time = one.time
            self.transparent = self.transparent or one.transparent
            del one, result, patches
            self._write(frame)
            self.frames += 1


def _format_notes(first: av.VideoFrame, pixels: PixelFormat, encoder: Encoder) -> list[str]:
    """Returns notes on what was changed for players, what many do not play, and what was lost."""
    notes = []
    if not is_lossy(encoder.name) and pixels.converts(first):
        notes.append(
            f"not every pixel was kept bit for bit: {first.format.name} became {pixels.name}, "
            "because masks are removed from planar YCbCr and gray only"
        )
    if sorted(pixels.stored) != sorted((pixels.width, pixels.height)):
        notes.append(
            f"players need even sides: {first.width}x{first.height} became "
            f"{pixels.width}x{pixels.height}, with the last column or row there twice"
        )
    if is_lossy(encoder.name) and not pixels.name.startswith(("yuv420p", "yuva420p")):
        notes.append(
            f"browsers and phones often do not play {encoder.name} with {pixels.name}, which the "
            "video has; for those convert it first: ffmpeg -i IN -pix_fmt yuv420p NEW.mkv"
        )
    return notes


@contextmanager
def _stop_on_interrupt(stop: threading.Event) -> Iterator[threading.Event]:
    """Makes the first Ctrl-C set `stop`; the second raises `KeyboardInterrupt` as usual.

    Python handles signals in the main thread only; in other threads nothing is changed.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        interrupted.set()
        stop.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
