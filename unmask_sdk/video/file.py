"""From a video to the video without masks."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from unmask_sdk.core.output_paths import why_not_writable
from unmask_sdk.core.requirements import VIDEO
from unmask_sdk.core.validate import as_path, check_text
from unmask_sdk.errors import InvalidInputError, VideoWriteError
from unmask_sdk.pipeline import CHUNK, OpenedModel

from .encoders import choose_encoder, container_of
from .pixel_formats import PixelFormat, pixel_format_of
from .reader import VideoReader, find_video_stream, open_video
from .session import Session
from .writer import VideoWriter

if TYPE_CHECKING:
    import av

# Frames of so many pixels in all go through the network together, and no more than its chunk:
# their faces share its runs, and memory stays flat whatever the length.
_BATCH_PIXELS = 16_000_000


@dataclass(frozen=True)
class Progress:
    """How far a video is.

    Attributes:
        frames: Frames done.
        total: Frames in all, estimated until the last are done; None if the file does not say.
        seconds: Time in the video of the last frame done.
        elapsed: Seconds of work so far.
    """

    frames: int
    total: int | None
    seconds: float
    elapsed: float


@dataclass(frozen=True)
class VideoReport:
    """What was done to a video.

    Attributes:
        frames: Frames written.
        masked: Frames in which a mask was taken off.
        faces: Different faces seen, masked or not.
        seconds: Seconds of work.
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
    """Ctrl-C was pressed, and the file holds what was done until then.

    Attributes:
        report: What was done.
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
    progress: Callable[[Progress], object] | None = None,
    stop: threading.Event | None = None,
) -> VideoReport:
    """Takes the masks off all faces of a video; `model.video(…)` is the same.

    Frames keep their times, pixel format and colour tags; a turned video is stored upright. Sound
    and subtitles are copied as they are. The file is there whole or not at all. Where Ctrl-C, or
    `stop`, ends the work early, it holds what was done until then, and plays.

    Args:
        model: The model.
        source: A video file.
        target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
        codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8 bits), in
            WebM VP9 (AV1).
        crf: Constant rate factor, from 0 (best); 18 by default for H.264.
        smooth: Whether crops and fills are held still between frames (`Session`).
        progress: Called after each batch of frames, the last included.
        stop: Set it, from any thread, to end early.

    Returns:
        What was done.

    Raises:
        VideoReadError: If `source` is no video that can be read.
        VideoWriteError: If `target` cannot be written, or cannot hold what the source holds.
        InvalidInputError: If an argument does not fit.
        MissingDependencyError: If PyAV is not installed.
        VideoInterrupted: After Ctrl-C, once the file is finished; it is a `KeyboardInterrupt`. A
            second Ctrl-C does not wait, and leaves no file.
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

    def tell(work: _Work, total: int | None) -> None:
        if progress is not None:
            progress(Progress(work.frames, total, work.time, time.perf_counter() - start))

    stop = stop or threading.Event()
    with open_video(source) as opened, _finishing(stop) as interrupted:
        stream = find_video_stream(opened, source)
        stream.thread_type = "AUTO"
        reader = VideoReader(opened, stream)
        first = reader.first_frame(source)
        pixels = pixel_format_of(first)
        encoder = choose_encoder(container, pixels, codec, crf)
        file = VideoWriter(target, opened, stream, pixels, encoder)
        try:
            work = _Work(Session(model, smooth=smooth), file, pixels)
            size = max(1, min(CHUNK, _BATCH_PIXELS // (pixels.width * pixels.height)))
            for item in reader.items(file.copied):
                # A file without any frame would not play.
                if stop.is_set() and (work.waiting or work.frames):
                    break
                if not isinstance(item, list):
                    file.copy(item)
                    continue
                work.waiting += item
                while len(work.waiting) >= size:
                    work.do(size)
                    tell(work, reader.total)
            complete = not stop.is_set()
            work.do(len(work.waiting))
            tell(work, work.frames if complete else reader.total)
            file.finish()
        except BaseException:
            file.discard()
            raise
    notes = list(file.notes)
    if reader.damaged:
        notes.append(f"damaged pieces of the video that were passed over: {reader.damaged}")
    cut = reader.cut_off() if complete else None
    if cut is not None:
        notes.append(f"{source}: {cut}")
    if any(part.is_alpha for part in first.format.components):
        notes.append("transparency was not kept")
    seconds = time.perf_counter() - start
    report = VideoReport(
        work.frames, work.masked, len(work.faces), seconds, work.time, complete, tuple(notes)
    )
    if interrupted.is_set() and not complete:
        raise VideoInterrupted(report)
    return report


class _Work:
    """Frames on their way from decoder to encoder."""

    def __init__(self, session: Session, file: VideoWriter, pixels: PixelFormat) -> None:
        self._session = session
        self._file = file
        self._pixels = pixels
        self.waiting: list[av.VideoFrame] = []
        self.frames = 0
        self.masked = 0
        self.time = 0.0
        self.faces: set[int | None] = set()

    def do(self, count: int) -> None:
        """Unmasks and encodes the first of those that wait."""
        batch = [self._pixels.prepare(frame) for frame in self.waiting[:count]]
        del self.waiting[:count]
        pictures = [self._pixels.rgb(frame) for frame in batch]
        for frame, picture, result in zip(
            batch, pictures, self._session.batch(pictures), strict=True
        ):
            self._pixels.write(frame, picture, result)
            self._file.encode(frame)
            self.frames += 1
            self.masked += any(face.masked for face in result.faces)
            self.faces.update(face.track for face in result.faces)
            self.time = float((frame.pts or 0) * (frame.time_base or Fraction(0)))


@contextmanager
def _finishing(stop: threading.Event) -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into `stop`; the second is itself again.

    Only the main thread can be interrupted by it; in others nothing is changed.
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
