"""Tracks faces from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.faces.locator import Location, Locator

from .eye_smoothing import LandmarkSmoother
from .fill_smoothing import FillSmoother

# Faces of consecutive frames are the same if they are at most this many eye distances apart, and
# neither is larger than the other by more than this factor.
MAX_STEP = 1.5
MAX_GROWTH = 1.6
# A face that the detector misses is followed by the aligner, with at least this score, for at most
# this many consecutive frames.
MIN_FOLLOWED = 0.6
MAX_MISSED = 15
# Two faces closer than this many eye distances are the same face.
_SAME = 0.7


@dataclass(eq=False)
class Track:
    """One face over the frames.

    Attributes:
        number: 0, 1, 2, … in the order of appearance; never reused.
        location: Its location in the last frame, from the locator.
        eyes: float64 `[2, 2]`, the (smoothed) eye points for the crop.
        missed: Consecutive frames in which the detector did not find it.
        landmark_smoother: Smooths its eye points.
        fill_smoother: Smooths its fill.
    """

    number: int
    location: Location
    eyes: Float64Array
    missed: int = 0
    landmark_smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)
    fill_smoother: FillSmoother = field(default_factory=FillSmoother)


class Tracker:
    """Tracks all faces of a sequence of frames.

    Args:
        locator: Finds the faces.
        smooth: Whether the eye points are smoothed; otherwise the locator's points are used.
    """

    def __init__(self, locator: Locator, *, smooth: bool = True) -> None:
        self._locator = locator
        self._smooth = smooth
        self._tracks: list[Track] = []
        self._count = 0

    def update(self, image: UInt8Array) -> list[Track]:
        """Finds the faces of the next frame, uint8 `[H, W, 3]` RGB.

        Returns:
            Its faces, in the order of appearance. The same `Track` objects are updated and
            returned for every frame.
        """
        found = self._locator(image)
        pairs = _match([t.location for t in self._tracks], found)
        seen: list[Track] = []
        for index, track in enumerate(self._tracks):
            if index in pairs:
                track.location, track.missed = found[pairs[index]], 0
                seen.append(track)
        seen += self._followed(image, set(pairs), found)
        for index, location in enumerate(found):
            if index not in pairs.values():
                seen.append(Track(self._count, location, location.eyes))
                self._count += 1
        for track in seen:
            eyes = track.location.eyes
            track.eyes = track.landmark_smoother.update(image, eyes) if self._smooth else eyes
        self._tracks = sorted(seen, key=lambda track: track.number)
        return list(self._tracks)

    def _followed(self, image: UInt8Array, matched: set[int], found: list[Location]) -> list[Track]:
        """Looks for the faces that the detector missed near their previous location."""
        lost = [t for i, t in enumerate(self._tracks) if i not in matched]
        lost = [track for track in lost if track.missed < MAX_MISSED]
        kept = []
        taken = list(found)
        for track, location in zip(
            lost, self._locator.follow(image, [t.location for t in lost]), strict=True
        ):
            if (
                location.score >= MIN_FOLLOWED
                and _step(track.location, location) <= MAX_STEP
                and all(_step(location, other) > _SAME for other in taken)
            ):
                track.location = location
                track.missed += 1
                taken.append(location)
                kept.append(track)
        return kept


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
    if max(a, b) > MAX_GROWTH * min(a, b):
        return float("inf")
    return float(np.linalg.norm(one.eyes.mean(0) - other.eyes.mean(0))) / max(min(a, b), 1.0)
