"""From a photo, video or stream to the same without masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from threading import Event
from typing import Any, overload

import numpy.typing as npt

from .errors import InvalidInputError, UnmaskError
from .faces.given_faces import MIN_BOX_SCORE, faces_from_boxes, faces_from_eyes
from .faces.locator import MAX_FACES, Location, Locator
from .faces.positions import locate_in_positions
from .imaging.decode import Channels, Source, check_source, read_photo
from .pipeline import FaceTask, OpenedModel, StageTimer, unmask_faces
from .result import Result
from .runtimes.base import Runtime
from .runtimes.candidate import Candidate
from .video.file import Progress, VideoReport, unmask_video
from .video.stream import Stream


@contextmanager
def _named(index: int) -> Iterator[None]:
    """Adds the index of a photo in a list to the message of an error."""
    try:
        yield
    except UnmaskError as error:
        error.args = (f"photo [{index}] of the list: {error}",)
        raise


class Unmasker(OpenedModel):
    """Removes the masks from photos. `unmask_sdk.load()` makes one.

    Threads: one model may be called by many threads at the same time.

    Args:
        runtime: An opened unmasker.
        locator: Finds the faces.
        selection: Why this runtime was taken.
    """

    def __init__(
        self, runtime: Runtime[Any], locator: Locator, selection: Sequence[Candidate] = ()
    ) -> None:
        super().__init__(runtime, locator)
        self.selection = tuple(selection)

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...],
        *,
        channels: Channels = "rgb",
        only: Callable[[Location], bool] | None = None,
    ) -> list[Result]: ...

    @overload
    def __call__(
        self,
        image: Source,
        *,
        channels: Channels = "rgb",
        boxes: npt.ArrayLike | None = None,
        eyes: npt.ArrayLike | None = None,
        only: Callable[[Location], bool] | None = None,
    ) -> Result: ...

    def __call__(
        self,
        image: Source | list[Any] | tuple[Any, ...],
        *,
        channels: Channels = "rgb",
        boxes: npt.ArrayLike | None = None,
        eyes: npt.ArrayLike | None = None,
        only: Callable[[Location], bool] | None = None,
    ) -> Result | list[Result]:
        """Removes the masks from all faces of a photo, or of each photo of a list.

        A face whose mask covers less than `pipeline.MIN_MASK_SHARE` of its crop counts as not
        masked and is left unchanged, bit for bit; so is a given box that seems to contain no face
        (`faces.given_faces.MIN_BOX_SCORE`).

        If no face is found, the photo is tried on its sides and upside down; the result stays as
        the photo lies, and its `notes` report it. Turn photos that are upside down yourself: in
        most of them the locator finds a face as they lie, and the fill then suits that.

        Args:
            image: Path, the bytes of a file (bytes, bytearray, memoryview), an open binary file,
                Pillow image, or uint8 array `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]` of
                any size. It is not changed; an open file is read to its end. Or a list or tuple
                of these: they are processed one after the other, and `channels` and `only` hold
                for all. An item that can be no photo is refused before the first is processed; an
                item that cannot be read ends the call, and the error names its index. All results
                are kept in memory: for many photos call the model for each, or use `unmask folder`.
            channels: Order of an array's color channels: `rgb`, or `bgr` as in OpenCV.
            boxes: `[F, 4]`, (x0, y0, x1, y1) in pixels around each face from forehead to chin, used
                instead of detection. For faces rolled by up to 45 degrees; for others give the
                eyes.
            eyes: `[F, 2, 2]`, (x, y) in pixels of the eye centers of each face, used instead of
                detection. First the eye that is on the left in the image when the head is upright;
                in the other order the face is taken to be upside down.
            only: Decides for each located face (`box`, `eyes`, `confidence`) whether it is
                processed: `only=lambda face: face.confidence > 0.7`. Others are left unchanged,
                cost nothing, and are not among the result's faces.

        Returns:
            The result; for a list a list of results, in its order. If no face was found a result
            has no faces, and the photo unchanged.

        Raises:
            ImageReadError: If a file is not a complete image of at most 144 million pixels.
            InvalidInputError: If an argument is invalid.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        if only is not None and not callable(only):
            raise InvalidInputError(
                "only must be a function of a located face, such as "
                f"only=lambda face: face.confidence > 0.7; got {only!r}"
            )
        if not isinstance(image, list | tuple):
            return self._process(image, channels, boxes, eyes, only)
        if boxes is not None or eyes is not None:
            raise InvalidInputError(
                "boxes and eyes are of one photo; with them call the model for each photo"
            )
        for index, item in enumerate(image):
            with _named(index):
                check_source(item)
        results = []
        for index, item in enumerate(image):
            with _named(index):
                results.append(self._process(item, channels, None, None, only))
        return results

    def _process(
        self,
        image: Source,
        channels: Channels,
        boxes: npt.ArrayLike | None,
        eyes: npt.ArrayLike | None,
        only: Callable[[Location], bool] | None,
    ) -> Result:
        """Removes the masks from one photo."""
        locator = self.locator
        timer = StageTimer()
        photo = read_photo(image, channels)
        timer.lap("decode")
        min_score = 0.0
        notes = photo.notes
        if boxes is not None and eyes is not None:
            raise InvalidInputError("give boxes or eyes, not both")
        if boxes is not None:
            found = faces_from_boxes(photo.pixels, locator, boxes)
            min_score = MIN_BOX_SCORE
        elif eyes is not None:
            found = faces_from_eyes(photo.pixels, eyes)
        else:
            found, lying = locate_in_positions(photo.pixels, locator)
            notes += (lying,) if lying else ()
            if len(found) == MAX_FACES:
                notes += (f"only the {MAX_FACES} most confident faces were processed",)
        tasks = [FaceTask(place, min_score) for place in found if only is None or only(place)]
        timer.lap("locate")
        ((result, faces),) = unmask_faces(
            self, [photo.pixels], [tasks], [timer], in_place=photo.owned
        )
        return Result(result, faces, timer.laps, photo.extras, notes)

    def video(
        self,
        source: str | PathLike[str],
        target: str | PathLike[str],
        *,
        codec: str | None = None,
        crf: int | None = None,
        smooth: bool = True,
        fast: bool = False,
        progress: Callable[[Progress], object] | None = None,
        stop: Event | None = None,
    ) -> VideoReport:
        """Removes the masks from a video file; needs the extra `video`.

        Args:
            source: A video file.
            target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
            codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8
                bits), in WebM VP9 (AV1). A hardware encoder, such as h264_nvenc, must open here.
            crf: Constant rate factor, from 0 (best) to the encoder's 51 or 63; 18 by default for
                H.264.
            smooth: Whether crops and fills are smoothed over time (`Session`).
            fast: Takes less time, for a larger file and fills that may flicker: a faster preset of
                libx264, libx265, libvpx-vp9 or libsvtav1, and fills not smoothed over time.
            progress: Called after each batch of frames, the last included.
            stop: Set it, from any thread, to end early; the file then holds the frames done so far,
                and plays.

        Returns:
            A report of what was done.

        Raises:
            VideoReadError: If `source` is not a video that can be read.
            VideoWriteError: If `target` cannot be written, or cannot hold what the source holds.
            InvalidInputError: If an argument is invalid.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
            MissingDependencyError: If PyAV is not installed.
            VideoInterrupted: After Ctrl-C, once the file is finished; it is a `KeyboardInterrupt`.
        """
        return unmask_video(
            self,
            source,
            target,
            codec=codec,
            crf=crf,
            smooth=smooth,
            fast=fast,
            progress=progress,
            stop=stop,
        )

    def stream(
        self,
        frames: Iterable[Any],
        *,
        channels: Channels = "rgb",
        queue: int = 1,
        timeout: float | None = 10.0,
        smooth: bool = True,
    ) -> Stream:
        """Removes the masks from live frames without falling behind: an iterator of results.

        Of the frames that arrive while another is processed, only the latest is kept. For the
        frames of a file use `video`, or `unmask_sdk.Session`, which drop none.

        Args:
            frames: Any iterable of uint8 `[H, W, 3]` arrays, such as `unmask_sdk.Camera(0)`.
            channels: Order of the frames' color channels: `rgb`, or `bgr` as in OpenCV.
            queue: Frames that may wait; 1 gives the lowest latency.
            timeout: Seconds to wait for a frame before `SourceError`; None waits without limit.
            smooth: Whether crops and fills are smoothed over time (`Session`).

        Returns:
            The stream: iterate over it, read its `counters`, `close` it from any thread.

        Raises:
            InvalidInputError: If an argument is invalid.
            RuntimeUnavailableError: If the model is closed.
        """
        return Stream(self, frames, channels=channels, queue=queue, timeout=timeout, smooth=smooth)

    def __repr__(self) -> str:
        info = self._runtime.info
        return f"Unmasker({info.runtime}, {info.precision}, {info.device}: {info.provider})"
