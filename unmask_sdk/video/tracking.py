"""Tracks faces from frame to frame.

The detector looks for faces a few times a second. Between those frames the aligner alone follows
each face from where it is expected, which costs a fifth. The detector looks at once where the scene
changes, and where following a face is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from unmask_sdk.compositing.blend import Texture
from unmask_sdk.core.arrays import AnyArray, Float64Array, UInt8Array
from unmask_sdk.faces.locator import Location, Locator

from .eye_smoothing import LandmarkSmoother
from .fill_smoothing import FillSmoother

# Longest time in seconds between two frames in which the detector looks for faces.
DETECTION_INTERVAL = 0.2
# Assumed time between frames that come without a time, in seconds.
FRAME_TIME = 1 / 30
# Faces of consecutive frames are the same if they are at most this many eye distances apart, and
# neither is larger than the other by more than this factor.
MAX_STEP = 1.5
MAX_GROWTH = 1.6
# Between detections a face is followed with at least this score of the aligner; below it the
# detector looks.
MIN_SURE = 0.8
# The aligner is exact where a face is at most this many eye distances from where it is expected;
# farther away, it looks again.
FAR = 0.1
# A face that the detector misses is followed by the aligner, with at least this score, for at most
# this many consecutive frames.
MIN_FOLLOWED = 0.6
MAX_MISSED = 15
# Two faces closer than this many eye distances are the same face.
_SAME = 0.7
# Of two faces closer than this many eye distances, one may cover the other. If the detector misses
# one of them, it is the covered one, and nothing is painted there.
COVERED = 1.5
# The scene changes where a sample of about this many columns and rows differs by at least this
# much, of 255, on average.
_SAMPLES = 48
SCENE_CHANGE = 25.0


@dataclass(eq=False)
class Track:
    """One face over the frames.

    Attributes:
        number: 0, 1, 2, … in the order of appearance; never reused.
        location: Its location in the last frame, from the locator.
        eyes: float64 `[2, 2]`, the (smoothed) eye points for the crop.
        velocity: float64 `[2]`, motion of the eyes in pixels per second.
        missed: Consecutive frames in which the detector looked and did not find it.
        landmark_smoother: Smooths its eye points.
        fill_smoother: Smooths its fill.
        texture: Of the frame in which the detector looked last: measuring it costs 2 ms.
    """

    number: int
    location: Location
    eyes: Float64Array
    velocity: Float64Array = field(default_factory=lambda: np.zeros(2))
    missed: int = 0
    landmark_smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)
    fill_smoother: FillSmoother = field(default_factory=FillSmoother)
    texture: Texture = field(default_factory=Texture)


class Tracker:
    """Tracks all faces of a sequence of frames.

    Args:
        locator: Finds the faces.
        smooth: Whether faces are followed and their eye points smoothed; otherwise the detector
            looks at every frame, and the locator's points are used.
    """

    def __init__(self, locator: Locator, *, smooth: bool = True) -> None:
        self._locator = locator
        self._smooth = smooth
        self._tracks: list[Track] = []
        self._count = 0
        # So that a first frame without a time is at 0.
        self._time = -FRAME_TIME
        self._detected = -np.inf
        self._sample: AnyArray | None = None

    def update(self, image: UInt8Array, time: float | None = None) -> list[Track]:
        """Finds the faces of the next frame.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            time: Its time in seconds, from any zero; None for a thirtieth after the last.

        Returns:
            Its faces, in the order of appearance. The same `Track` objects are updated and
            returned for every frame.
        """
        now = self._time + FRAME_TIME if time is None else time
        passed, self._time = now - self._time, now
        cut = self._scene_changed(image)
        if passed < 0 or cut:
            self._detected = -np.inf
        before = [track.eyes.mean(0) for track in self._tracks]
        known = list(self._tracks)
        seen = self._followed(image, passed) if not self._detection_is_due() else None
        if seen is None:
            seen = self._detect(image, cut=cut)
            self._detected = self._time
            for track in seen:
                track.texture = Texture()
        for track in seen:
            eyes = track.location.eyes
            track.eyes = track.landmark_smoother.update(image, eyes) if self._smooth else eyes
        for track, center in zip(known, before, strict=True):
            track.velocity = (track.eyes.mean(0) - center) / max(passed, 1e-3)
        self._tracks = sorted(seen, key=lambda track: track.number)
        return list(self._tracks)

    def _detection_is_due(self) -> bool:
        """Whether the detector has to look at this frame."""
        doubtful = any(track.missed for track in self._tracks)
        # A frame's time may be rounded.
        waited = self._time - self._detected >= DETECTION_INTERVAL - 1e-3
        return not self._smooth or doubtful or waited

    def _scene_changed(self, image: UInt8Array) -> bool:
        """Compares a frame with the last one, by a sample of its pixels."""
        steps = [max(1, side // _SAMPLES) for side in image.shape[:2]]
        sample = image[steps[0] // 2 :: steps[0], steps[1] // 2 :: steps[1]].astype(np.int16)
        last, self._sample = self._sample, sample
        if last is None or last.shape != sample.shape:
            return True
        return bool(np.abs(sample - last).mean() >= SCENE_CHANGE)

    def _followed(self, image: UInt8Array, passed: float) -> list[Track] | None:
        """Follows all faces with the aligner alone; returns None if one of them is in doubt."""
        expected = [_shifted(t.location, t.velocity * passed) for t in self._tracks]
        found = self._locator.follow(image, expected)
        if any(_step(a, b) > FAR for a, b in zip(expected, found, strict=True)):
            found = self._locator.follow(image, found)
        for index, (track, location) in enumerate(zip(self._tracks, found, strict=True)):
            if (
                location.score < MIN_SURE
                or _step(track.location, location) > MAX_STEP
                or any(_distance(location, other) <= COVERED for other in found[:index])
            ):
                return None
        for track, location in zip(self._tracks, found, strict=True):
            # The detector's part of the score is that of its last look.
            track.location = replace(location, score=track.location.score)
        return list(self._tracks)

    def _detect(self, image: UInt8Array, *, cut: bool) -> list[Track]:
        """Finds all faces with the detector; faces that it misses are followed for a while."""
        found = self._locator(image)
        pairs = _match([t.location for t in self._tracks], found)
        if cut:
            # Another person may be where one was before.
            pairs = {
                i: j
                for i, j in pairs.items()
                if self._tracks[i].landmark_smoother.recognizes(image, found[j].eyes)
            }
        seen: list[Track] = []
        for index, track in enumerate(self._tracks):
            if index in pairs:
                track.location, track.missed = found[pairs[index]], 0
                seen.append(track)
        if not cut:
            seen += self._followed_though_missed(image, set(pairs), found)
        for index, location in enumerate(found):
            if index not in pairs.values():
                seen.append(Track(self._count, location, location.eyes))
                self._count += 1
        return seen

    def _followed_though_missed(
        self, image: UInt8Array, matched: set[int], found: list[Location]
    ) -> list[Track]:
        """Looks for the faces that the detector missed near their previous location."""
        lost = [t for i, t in enumerate(self._tracks) if i not in matched]
        lost = [track for track in lost if track.missed < MAX_MISSED]
        kept: list[Track] = []
        for track, location in zip(
            lost, self._locator.follow(image, [t.location for t in lost]), strict=True
        ):
            if (
                location.score >= MIN_FOLLOWED
                and _step(track.location, location) <= MAX_STEP
                and all(_distance(location, other) > COVERED for other in found)
                and all(_step(location, other.location) > _SAME for other in kept)
            ):
                track.location = location
                track.missed += 1
                kept.append(track)
        return kept


def _shifted(face: Location, shift: Float64Array) -> Location:
    x, y = shift.tolist()
    x0, y0, x1, y1 = face.box
    return replace(face, box=(x0 + x, y0 + y, x1 + x, y1 + y), points=face.points + shift)


def _match(before: list[Location], after: list[Location]) -> dict[int, int]:
    """Matches the faces of two frames, nearest first; returns index before to index after."""
    steps = [(_step(a, b), i, j) for i, a in enumerate(before) for j, b in enumerate(after)]
    pairs: dict[int, int] = {}
    for step, i, j in sorted(steps):
        if step <= MAX_STEP and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _step(one: Location, other: Location) -> float:
    """Returns the distance of two faces in eye distances; infinite if their sizes differ."""
    a, b = (float(np.linalg.norm(x.eyes[1] - x.eyes[0])) for x in (one, other))
    return float("inf") if max(a, b) > MAX_GROWTH * min(a, b) else _distance(one, other)


def _distance(one: Location, other: Location) -> float:
    """Returns the distance of two faces in eye distances of the smaller one."""
    size = min(float(np.linalg.norm(x.eyes[1] - x.eyes[0])) for x in (one, other))
    return float(np.linalg.norm(one.eyes.mean(0) - other.eyes.mean(0))) / max(size, 1.0)
