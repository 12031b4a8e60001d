"""One moving picture: takes the masks off its frames, and keeps its faces between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from unmask_sdk.compositing.blend import paste
from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.faces.align import crop_matrix, warp_crop
from unmask_sdk.faces.locator import Location
from unmask_sdk.result import Face, Result
from unmask_sdk.unmasker import Unmasker, Watch, face_of

from .tracking import Track, Tracker


def check_frames(frames: Any, wanted: str, advice: str = "") -> None:
    """Refuses what is no iterable of pictures, with `InvalidInputError`."""
    if isinstance(frames, str | bytes | np.ndarray) or not isinstance(frames, Iterable):
        raise InvalidInputError(f"frames must be {wanted}; got {type(frames).__name__}{advice}")


class Session:
    """Takes the masks off the frames of one video, camera or stream, in their order.

    A face keeps its number (`Face.track`) from frame to frame. Its crop and its fill hold still
    where the face does, and follow at once where it moves.

    Threads: a session is for one thread at a time; many sessions may share one model.

    Args:
        model: The model; it stays open when the session is done with.
        smooth: Whether crops and fills are held still; else each frame stands for itself, with
            the faces numbered all the same.

    Raises:
        InvalidInputError: If `model` is none.
        RuntimeUnavailableError: If the model is closed.
    """

    def __init__(self, model: Unmasker, *, smooth: bool = True) -> None:
        if not isinstance(model, Unmasker):
            raise InvalidInputError(f"model must be what unmask_sdk.load() gives; got {model!r}")
        self._model = model
        self._smooth = smooth
        self._tracker = Tracker(model.locator, smooth=smooth)

    def __call__(self, frame: UInt8Array) -> Result:
        """Takes the masks off the next frame, uint8 `[H, W, 3]` RGB; it is not changed."""
        return self.batch([frame])[0]

    def batch(self, frames: Iterable[UInt8Array]) -> list[Result]:
        """Takes the masks off the next frames; the network sees the faces of all of them at once.

        Args:
            frames: uint8 `[H, W, 3]` RGB each. They are not changed.

        Returns:
            A result for each, faces in the order of their appearance. Of the stages of `timings`,
            `run` is the batch's, shared out evenly.

        Raises:
            InvalidInputError: If a frame is no such array.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        check_frames(frames, "a list of pictures")
        frames = list(frames)
        size = self._model.crop_size
        watches = [Watch() for _ in frames]
        found: list[list[tuple[Track, Location, Float64Array]]] = []
        crops: list[UInt8Array] = []
        for frame, watch in zip(frames, watches, strict=True):
            watch.start()
            tracks = self._tracker.update(frame)
            watch.lap("locate")
            seen = [(track, _steadied(track), crop_matrix(track.eyes, size)) for track in tracks]
            crops += [warp_crop(frame, matrix, size) for _, _, matrix in seen]
            found.append(seen)
            watch.lap("align")
        run = Watch()
        batch = np.stack(crops) if crops else np.empty((0, size, size, 3), np.uint8)
        unmasked, masks = self._model.crops(batch)
        run.lap("run")
        pictures = iter(zip(crops, unmasked, masks[..., 0], strict=True))
        results = []
        for frame, watch, seen in zip(frames, watches, found, strict=True):
            watch.laps["run"] = run.laps["run"] / len(frames)
            watch.start()
            faces = tuple(self._face(*one, *next(pictures)) for one in seen)
            picture = frame.copy()
            for face in faces:
                if face.masked:
                    paste(picture, face.crop, face.mask, face.matrix)
            watch.lap("paste")
            results.append(Result(picture, faces, watch.laps))
        return results

    def _face(
        self,
        track: Track,
        place: Location,
        matrix: Float64Array,
        original: UInt8Array,
        unmasked: UInt8Array,
        mask: UInt8Array,
    ) -> Face:
        if self._smooth:
            unmasked, mask = track.history.update(original, unmasked, mask)
        return replace(face_of(place, 0.0, matrix, original, unmasked, mask), track=track.number)


def _steadied(track: Track) -> Location:
    location = track.location
    points = np.vstack([track.eyes, location.points[2:]])
    return Location(location.box, points, location.score)
