"""Unmasks the frames of one video, camera or stream, and follows its faces between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import repeat
from numbers import Real
from typing import Any

import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.faces.locator import Location, check_image
from unmask_sdk.pipeline import FaceTask, OpenedModel, Patch, StageTimer, unmask_faces
from unmask_sdk.result import Result

from .tracking import Track, Tracker


def check_frames(frames: Any, expected: str, advice: str = "") -> None:
    """Refuses what is not an iterable of images, with `InvalidInputError`."""
    if isinstance(frames, str | bytes | np.ndarray) or not isinstance(frames, Iterable):
        raise InvalidInputError(f"frames must be {expected}; got {type(frames).__name__}{advice}")


class Session:
    """Unmasks the frames of one video, camera or stream, in their order.

    A face keeps its number (`Face.track`) from frame to frame. Its crop and its fill are held
    still while the face is still, and follow without delay when it moves. The detector looks for
    new faces about five times a second, and wherever the scene changes; between those frames the
    known faces are followed.

    Threads: use a session from one thread at a time; many sessions may share one model.

    Args:
        model: The model; the session does not close it.
        smooth: Whether faces are followed, and crops and fills smoothed over time; otherwise each
            frame is unmasked by itself, and faces are numbered all the same.
        smooth_fills: Whether fills are smoothed too; without, they may flicker, and less is
            computed.

    Raises:
        InvalidInputError: If `model` is not an `Unmasker`.
        RuntimeUnavailableError: If the model is closed.
    """

    def __init__(
        self, model: OpenedModel, *, smooth: bool = True, smooth_fills: bool = True
    ) -> None:
        if not isinstance(model, OpenedModel):
            raise InvalidInputError(f"model must be what unmask_sdk.load() returns; got {model!r}")
        self._model = model
        self._smooth_fills = smooth and smooth_fills
        self._tracker = Tracker(model.locator, smooth=smooth)

    def __call__(self, frame: UInt8Array, time: float | None = None) -> Result:
        """Unmasks the next frame.

        Args:
            frame: uint8 `[H, W, 3]` RGB. It is not changed.
            time: As in `batch`.
        """
        return self.batch([frame], None if time is None else [time])[0]

    def batch(
        self, frames: Iterable[UInt8Array], times: Iterable[float] | None = None
    ) -> list[Result]:
        """Unmasks the next frames; the faces of all of them go through the network together.

        Args:
            frames: uint8 `[H, W, 3]` RGB each. They are not changed.
            times: The time of each frame in seconds, from any zero: they decide when the detector
                looks for new faces. None for 30 frames per second.

        Returns:
            A result for each frame, faces in the order in which they first appeared. In
            `timings`, the time of `run` is shared equally among the frames.

        Raises:
            InvalidInputError: If a frame is not such an array, or the times are not one finite
                number for each frame.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        check_frames(frames, "a list of images")
        return self._unmask(list(frames), times)

    def _unmask(
        self,
        frames: list[UInt8Array],
        times: Iterable[float] | None,
        patches: list[list[Patch]] | None = None,
    ) -> list[Result]:
        """Unmasks the next frames: in place, if patches are to be added (`unmask_faces`)."""
        for frame in frames:
            check_image(frame)
        moments = repeat(None, len(frames)) if times is None else _checked(times, len(frames))
        timers = [StageTimer() for _ in frames]
        tasks: list[list[FaceTask]] = []
        for frame, time, timer in zip(frames, moments, timers, strict=True):
            timer.start()
            tasks.append([self._task(track) for track in self._tracker.update(frame, time)])
            timer.lap("locate")
        done = unmask_faces(
            self._model, frames, tasks, timers, in_place=patches is not None, patches=patches
        )
        return [
            Result(image, faces, timer.laps)
            for (image, faces), timer in zip(done, timers, strict=True)
        ]

    def _task(self, track: Track) -> FaceTask:
        """Returns the task of a face now: the tracker changes its tracks with every frame."""
        found = track.location
        points = np.vstack([track.eyes, found.points[2:]])
        return FaceTask(
            Location(found.box, points, found.score),
            smooth=track.fill_smoother.update if self._smooth_fills else None,
            texture=track.texture,
            track=track.number,
        )


def unmask_in_place(
    session: Session, frames: list[UInt8Array], times: list[float]
) -> list[tuple[Result, list[Patch]]]:
    """Unmasks the next frames, which `Session.batch` copies before, in place.

    Args:
        session: The session.
        frames: uint8 `[H, W, 3]` RGB each.
        times: The time of each frame in seconds.

    Returns:
        For each frame its result, and what it was before, wherever it may have changed.
    """
    patches: list[list[Patch]] = [[] for _ in frames]
    return list(zip(session._unmask(frames, times, patches), patches, strict=True))


def _checked(times: Iterable[float], count: int) -> list[float]:
    listed = list(times) if isinstance(times, Iterable) else None
    numbers = all(isinstance(time, Real) and math.isfinite(time) for time in listed or ())
    if listed is None or len(listed) != count or not numbers:
        raise InvalidInputError(
            f"times must be one finite number of seconds for each of the {count} frames; "
            f"got {times if listed is None else listed}"
        )
    return listed
