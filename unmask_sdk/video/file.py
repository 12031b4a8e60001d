"""Removes the masks from a video file."""

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

from .encoders import VP9, Encoder, choose_encoder, container_of, is_lossy
from .frame_metadata import is_transparent, keep_frame_metadata
from .pixel_formats import PixelFormat, pixel_format_of
from .reader import VideoReader, find_video_stream, open_video
from .session import Session
from .writer import VideoWriter

if TYPE_CHECKING:
    import av

# Frames are processed in batches of at most this many pixels, and at most `CHUNK` frames: their
# faces share runs of the network, and memory use does not depend on the length of the video.
_BATCH_PIXELS = 16_000_000


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
    progress: Callable[[Progress], object] | None = None,
    stop: threading.Event | None = None,
) -> VideoReport:
    """Removes the masks from all faces of a video; `model.video(…)` is the same.

    Frames keep their times, pixel format and color tags; a rotated video is stored upright. Sound
    and subtitles are copied unchanged. The file appears only when it is complete. If Ctrl-C or
    `stop` ends the work early, it contains the frames that were done, and can be played.

    Args:
        model: The model.
        source: A video file.
        target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
        codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8 bits), in
            WebM VP9 (AV1).
        crf: Constant rate factor, from 0 (best); 18 by default for H.264.
        smooth: Whether crops and fills are smoothed over time (`Session`).
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
        stream.thread_type = "AUTO"
        reader = VideoReader(opened, stream)
        first = reader.first_frame(source)
        pixels = pixel_format_of(
            first,
            playable=codec is None or is_lossy(codec),
            alpha=container.name == "webm" and codec in (None, VP9.name),
        )
        encoder = choose_encoder(container, pixels, codec, crf)
        encoder, notes = keep_frame_metadata(encoder, stream, first, pixels)
        file = VideoWriter(target, opened, stream, pixels, encoder)
        try:
            work = _VideoJob(Session(model, smooth=smooth), file, pixels)
            size = max(1, min(CHUNK, _BATCH_PIXELS // (pixels.width * pixels.height)))
            for item in reader.items(file.copied):
                # A file without frames cannot be played.
                if stop.is_set() and (work.waiting or work.frames):
                    break
                if not isinstance(item, list):
                    file.copy(item)
                    continue
                work.waiting += item
                while len(work.waiting) >= size:
                    work.process(size)
                    report_progress(work, reader.total)
            complete = not stop.is_set()
            work.process(len(work.waiting))
            report_progress(work, work.frames if complete else reader.total)
            file.finish()
        except BaseException:
            file.discard()
            raise
    notes += [*file.notes, *_player_notes(first, pixels, encoder)]
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
    if work.transparent and not pixels.alpha:
        notes.append("transparency was not kept")
    seconds = time.perf_counter() - start
    report = VideoReport(
        work.frames, work.masked, len(work.faces), seconds, work.time, complete, tuple(notes)
    )
    if interrupted.is_set() and not complete:
        raise VideoInterrupted(report)
    return report


class _VideoJob:
    """Passes frames from the decoder through the session to the encoder, and counts them."""

    def __init__(self, session: Session, file: VideoWriter, pixels: PixelFormat) -> None:
        self._session = session
        self._file = file
        self._pixels = pixels
        self.waiting: list[av.VideoFrame] = []
        self.frames = 0
        self.masked = 0
        self.time = 0.0
        self.faces: set[int | None] = set()
        self.transparent = False

    def process(self, count: int) -> None:
        """Unmasks and encodes the first waiting frames."""
        self.transparent = self.transparent or any(map(is_transparent, self.waiting[:count]))
        batch = [self._pixels.prepare(frame) for frame in self.waiting[:count]]
        del self.waiting[:count]
        images = [self._pixels.rgb(frame) for frame in batch]
        times = [float((frame.pts or 0) * (frame.time_base or Fraction(0))) for frame in batch]
        results = self._session.batch(images, times)
        for frame, image, moment, result in zip(batch, images, times, results, strict=True):
            self._pixels.write(frame, image, result)
            self._file.encode(frame)
            self.frames += 1
            self.masked += any(face.masked for face in result.faces)
            self.faces.update(face.track for face in result.faces)
            self.time = moment


def _player_notes(first: av.VideoFrame, pixels: PixelFormat, encoder: Encoder) -> list[str]:
    """Returns notes on what was changed for players, and on what many do not play."""
    notes = []
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
