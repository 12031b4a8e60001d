"""From a photo, video or stream to the same without masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from threading import Event
from typing import Any

import numpy.typing as npt

from .errors import InvalidInputError
from .faces.given_faces import MIN_BOX_SCORE, faces_from_boxes, faces_from_eyes
from .faces.locator import MAX_FACES, Location, Locator
from .imaging.decode import Channels, Source, read
from .pipeline import FacePipeline, FaceTask, StageTimer
from .result import Result
from .runtimes.base import Runtime
from .runtimes.candidate import Candidate
from .video.file import Progress, VideoReport, unmask_video
from .video.stream import Stream


class Unmasker(FacePipeline):
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

    def __call__(
        self,
        image: Source,
        *,
        channels: Channels = "rgb",
        boxes: npt.ArrayLike | None = None,
        eyes: npt.ArrayLike | None = None,
        only: Callable[[Location], bool] | None = None,
    ) -> Result:
        """Takes the masks off all faces of a photo.

        Faces whose mask covers less than `MIN_MASK_SHARE` of the crop count as not masked: they
        are left as they are, bit for bit; so are boxes given in which there seems to be no face
        (`MIN_BOX_SCORE`).

        Args:
            image: Path, the bytes of a file (bytes, bytearray, memoryview), an open binary file,
                Pillow image, or uint8 array `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]` of
                any size. It is not changed; an open file is read to its end.
            channels: Order of an array's colours: `rgb`, or `bgr` as OpenCV has them.
            boxes: `[F, 4]`, (x0, y0, x1, y1) in pixels round each face from forehead to chin, to
                use instead of looking for faces. For faces rolled by up to 45 degrees; give the
                eyes of others.
            eyes: `[F, 2, 2]`, (x, y) in pixels of the eye centres of each face, to use instead of
                looking for faces. The order says which way up the face is: the one that is left
                in the picture when the head is upright comes first. Swapped, the face is taken to
                be upside down.
            only: Says for each face, by its place (`box`, `eyes`, `confidence`), whether to look
                at it: `only=lambda face: face.confidence > 0.7`. Others are left as they are, cost
                nothing, and are not among the result's faces.

        Returns:
            The result. Where no face was found it has no faces, and the photo unchanged.

        Raises:
            ImageReadError: If a file is not a whole picture of at most 144 million pixels.
            InvalidInputError: If an argument does not fit.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        if only is not None and not callable(only):
            raise InvalidInputError(
                "only is a function of a face's place, such as "
                f"only=lambda face: face.confidence > 0.7; got {only!r}"
            )
        locator = self.locator
        timer = StageTimer()
        photo = read(image, channels)
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
            found = locator(photo.pixels)
            if len(found) == MAX_FACES:
                notes += (f"only the {MAX_FACES} most confident faces were processed",)
        tasks = [FaceTask(place, min_score) for place in found if only is None or only(place)]
        timer.lap("locate")
        ((result, faces),) = self.unmask_faces(
            [photo.pixels], [tasks], [timer], in_place=photo.owned
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
        progress: Callable[[Progress], object] | None = None,
        stop: Event | None = None,
    ) -> VideoReport:
        """Takes the masks off a video file; needs the extra `video`.

        Args:
            source: A video file.
            target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
            codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8
                bits), in WebM VP9 (AV1).
            crf: Constant rate factor, from 0 (best) to the encoder's 51 or 63; 18 by default for
                H.264.
            smooth: Whether crops and fills are held still between frames (`Session`).
            progress: Called after each batch of frames, the last included.
            stop: Set it, from any thread, to end early; the file holds what was done, and plays.

        Returns:
            What was done.

        Raises:
            VideoReadError: If `source` is no video that can be read.
            VideoWriteError: If `target` cannot be written, or cannot hold what the source holds.
            InvalidInputError: If an argument does not fit.
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
        """Takes the masks off live frames: an iterator of results that is never late.

        Frames that come while another is worked on are dropped, but for the latest. For the
        frames of a file use `video`, or `unmask_sdk.Session`, which drop none.

        Args:
            frames: Any iterable of uint8 `[H, W, 3]` arrays, such as `unmask_sdk.Camera(0)`.
            channels: Order of the frames' colours: `rgb`, or `bgr` as OpenCV has them.
            queue: Frames that may wait; 1 gives the least delay.
            timeout: Seconds to wait for a frame before `SourceError`; None waits for ever.
            smooth: Whether crops and fills are held still between frames (`Session`).

        Returns:
            The stream: iterate over it, read its `counters`, `close` it from any thread.

        Raises:
            InvalidInputError: If an argument does not fit.
            RuntimeUnavailableError: If the model is closed.
        """
        return Stream(self, frames, channels=channels, queue=queue, timeout=timeout, smooth=smooth)

    def __repr__(self) -> str:
        info = self._runtime.info
        return f"Unmasker({info.runtime}, {info.precision}, {info.device}: {info.provider})"
