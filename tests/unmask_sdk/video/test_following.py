"""Faces between the frames in which the detector looks: followed, left, new, exchanged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unmask_sdk import Session, load
from unmask_sdk.faces.locator import Locator
from unmask_sdk.video.tracking import DETECTION_INTERVAL, Tracker

EXAMPLES = Path(__file__).parents[3] / "examples"
RATE = 30
# What the detector may take to find a new face, in frames.
LATE = round(0.3 * RATE)


class Counted:
    """A runtime that counts its runs."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.runs = 0

    def run_named(self, **inputs):
        self.runs += 1
        return self.runtime.run_named(**inputs)


@pytest.fixture(scope="module")
def model():
    with load("onnx", "int8", threads=1) as model:
        yield model


@pytest.fixture
def counted(model):
    """A tracker, its detector and its aligner."""
    detector, aligner = (
        Counted(runtime) for runtime in (model.locator._detector, model.locator._aligner)
    )
    return Tracker(Locator(detector, aligner)), detector, aligner


@pytest.fixture(scope="module")
def people():
    faces = [cv2.imread(str(EXAMPLES / name))[..., ::-1] for name in ("dark.jpg", "n95.jpg")]
    return [cv2.resize(face, (200, 200), interpolation=cv2.INTER_AREA) for face in faces]


def scene(*placed, size=(240, 640), level=127):
    """Draws pictures at their left edges, later ones in front."""
    image = np.full((*size, 3), level, np.uint8)
    for picture, left in placed:
        x0, x1 = max(left, 0), min(left + picture.shape[1], size[1])
        if x0 < x1:
            image[20 : 20 + len(picture), x0:x1] = picture[:, x0 - left : x1 - left]
    return image


def test_detector_looks_a_few_times_a_second(counted, people):
    tracker, detector, aligner = counted
    one = people[0]
    for step in range(RATE):
        (track,) = tracker.update(scene((one, 100 + 3 * step)), step / RATE)
        assert track.number == 0
        assert track.location.box[0] == pytest.approx(track.eyes[:, 0].mean() - 70, abs=40)
    per_look = detector.runs / 5
    assert per_look == int(per_look) >= 1
    # Two looks of the aligner where the detector looks, one otherwise.
    assert aligner.runs == 2 * 5 + RATE - 5


def test_followed_face_is_where_the_locator_finds_it(model, people):
    tracker = Tracker(model.locator)
    for step in range(6):
        image = scene((people[0], 60 + 12 * step))
        (track,) = tracker.update(image, step / RATE)
        (found,) = model.locator(image)
        # The locator itself trembles by half a pixel.
        np.testing.assert_allclose(track.location.eyes, found.eyes, atol=1.0)
        np.testing.assert_allclose(track.location.box, found.box, atol=6)


def test_new_face_is_found_in_time(counted, people):
    tracker, *_ = counted
    one, two = people
    for step in range(3):
        assert len(tracker.update(scene((one, 20)), step / RATE)) == 1
    for step in range(3, 3 + LATE):
        seen = tracker.update(scene((one, 20), (two, 420)), step / RATE)
    assert [track.number for track in seen] == [0, 1]


def test_frames_that_are_far_apart_are_all_looked_at(counted, people):
    tracker, detector, _ = counted
    tracker.update(scene((people[0], 20)), 0.0)
    once = detector.runs
    for step in range(1, 4):
        tracker.update(scene((people[0], 20)), step * DETECTION_INTERVAL)
        assert detector.runs == (step + 1) * once
    # A clock that goes back, as where another file begins.
    tracker.update(scene((people[0], 20)), 0.05)
    assert detector.runs == 5 * once


def test_nothing_is_painted_where_a_face_was(model, people):
    session = Session(model)
    for _ in range(3):
        assert session(scene((people[0], 200))).faces[0].masked
    bare = scene()
    gone = session(bare)
    assert gone.faces == ()
    np.testing.assert_array_equal(gone.image, bare)
    # It returns as another face.
    back = [session(scene((people[0], 200))).faces for _ in range(LATE)]
    assert [face.track for face in back[-1]] == [1]


def test_face_that_goes_out_of_the_frame_is_lost(model, people):
    session = Session(model)
    for step in range(40):
        result = session(scene((people[0], 420 + 8 * step)))
        changed = (result.image != scene((people[0], 420 + 8 * step))).any(-1)
        # Its left eye is 31 pixels from its left edge: a last strip of mask may still be found.
        if 420 + 8 * step + 31 > 625:
            assert not changed.any()


def test_other_person_after_a_cut_is_another_face(model, people):
    tracker = Tracker(model.locator)
    one, two = people
    for _ in range(3):
        (track,) = tracker.update(scene((one, 200), level=30))
        assert track.number == 0
    (other,) = tracker.update(scene((two, 200), level=220))
    assert other.number == 1
    assert other.fill_smoother is not track.fill_smoother


def test_sharpness_and_noise_are_measured_as_often_as_the_detector_looks(model, people):
    tracker = Tracker(model.locator)
    found = [tracker.update(scene((people[0], 200)), step / 30)[0].texture for step in range(13)]
    assert [found.index(texture) for texture in found] == [0] * 6 + [6] * 6 + [12]


def test_flash_does_not_make_another_face(model, people):
    tracker = Tracker(model.locator)
    dim = (scene((people[0], 200)) * 0.6).astype(np.uint8)
    numbers = [tracker.update(image)[0].number for image in (dim, scene((people[0], 202)), dim)]
    assert numbers == [0, 0, 0]


def test_people_who_cross_keep_their_numbers(model, people):
    tracker = Tracker(model.locator)
    one, two = people
    front, behind = [], []
    for step in range(41):
        seen = tracker.update(scene((two, 420 - 10 * step), (one, 20 + 10 * step)))
        for track in seen:
            assert sum(np.abs(track.eyes - other.eyes).max() < 20 for other in seen) == 1
        left = {track.number: track.eyes[:, 0].mean() for track in seen}
        expected = (20 + 10 * step + 100, 420 - 10 * step + 100)
        front.append([n for n, x in left.items() if abs(x - expected[0]) < 20])
        behind.append([n for n, x in left.items() if abs(x - expected[1]) < 20])
    # The face in front has one number all the time.
    assert len({tuple(numbers) for i, numbers in enumerate(front) if not 18 <= i <= 22}) == 1
    # The one behind is hidden for a while; then it is found again in time, never as the front one.
    assert behind[0]
    assert behind[0] != front[0]
    assert behind[-1]
    assert behind[-1] != front[-1]
