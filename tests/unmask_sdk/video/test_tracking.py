"""Faces over the frames: identity, crop and fill."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unmask_sdk import Session, load
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.faces.align import transform_points
from unmask_sdk.video.eye_smoothing import CORRECTION, LandmarkSmoother
from unmask_sdk.video.fill_smoothing import STILL_WEIGHT, FillSmoother
from unmask_sdk.video.tracking import DETECTION_INTERVAL, FRAME_TIME, MAX_MISSED, Tracker

EXAMPLES = Path(__file__).parents[3] / "examples"
EYES = np.array([[250.0, 95.0], [310.0, 98.0]])
STRONG, PALE = (20, 60, 230), (140, 180, 220)


@pytest.fixture
def walk(painter, backdrop):
    """Draws a frame with faces, from the left eyes' positions and the eye distance."""

    def frame(*places, distance=40.0, color=STRONG):
        image = backdrop
        for x, y in places:
            image = painter(image, [[x, y], [x + distance, y]], color)
        return image

    return frame


def moved(image, step):
    """The image and the matrix of a known motion: shift, rotation and scale."""
    turn = cv2.getRotationMatrix2D((280, 120), 0.6 * step, 1 + 0.004 * step)
    turn[:, 2] += [2.5 * step, 1.5 * step]
    return cv2.warpAffine(image, turn, image.shape[1::-1]), turn


def test_points_are_smooth_without_lag(backdrop):
    rng = np.random.default_rng(0)
    steady = LandmarkSmoother()
    eyes = np.array([[262.0, 90.0], [300.0, 92.0]])
    raw, held = [], []
    for step in range(20):
        image, turn = moved(backdrop, step)
        truth = transform_points(turn, eyes)
        seen = truth + rng.normal(0, 0.5, (2, 2))
        raw.append(seen - truth)
        held.append(steady.update(image, seen) - truth)
    trembling = [np.abs(np.diff(np.array(e), axis=0)).mean() for e in (raw, held)]
    assert trembling[1] < 0.35 * trembling[0]
    # Five pixels per frame: the error of a filter that lags would be more than one.
    assert np.abs(held[-5:]).mean() < 0.5


def test_cut_is_followed_immediately(backdrop):
    steady = LandmarkSmoother()
    steady.update(backdrop, EYES)
    there = EYES + 130
    np.testing.assert_allclose(steady.update(backdrop, there), there, atol=0.5)


def test_without_texture_the_points_are_not_smoothed():
    steady = LandmarkSmoother()
    plain = np.full((200, 300, 3), 90, np.uint8)
    for shift in range(3):
        seen = EYES / 2 + shift
        np.testing.assert_array_equal(steady.update(plain, seen), seen)
    assert 0 < CORRECTION < 1


def test_still_fill_is_smoothed_and_moving_fill_does_not_lag():
    rng = np.random.default_rng(0)
    history = FillSmoother()
    original = cv2.resize(rng.integers(0, 255, (16, 16, 3), np.uint8), (256, 256))
    mask = np.zeros((256, 256), np.uint8)
    mask[120:220, 60:200] = 255
    fills = []
    for _ in range(20):
        noisy = np.clip(original + rng.normal(0, 2, original.shape), 0, 255).astype(np.uint8)
        fill = np.where(mask[..., None] > 0, 120 + rng.normal(0, 4, original.shape), noisy)
        calm, held = history.update(noisy, fill.astype(np.uint8), mask)
        np.testing.assert_array_equal(calm[held == 0], noisy[held == 0])
        np.testing.assert_array_equal(held, mask)
        fills.append(calm[150:190, 90:170].astype(np.float64))
    late = np.array(fills[10:])
    assert np.abs(np.diff(late, axis=0)).mean() < 2 * STILL_WEIGHT * 4.5
    # The face turns: the result is the current output of the network.
    other = np.roll(original, 40, axis=1)
    wanted = np.where(mask[..., None] > 0, 60, other).astype(np.uint8)
    calm, held = history.update(other, wanted, mask)
    assert np.abs(calm[150:190, 90:170].astype(int) - 60).max() <= 1


def test_removed_mask_disappears_immediately():
    history = FillSmoother()
    masked, bare = np.full((256, 256, 3), 220, np.uint8), np.full((256, 256, 3), 120, np.uint8)
    mask = np.full((256, 256), 255, np.uint8)
    history.update(masked, bare, mask)
    calm, held = history.update(bare, bare, np.zeros_like(mask))
    assert not held.any()
    np.testing.assert_array_equal(calm, bare)


def test_fill_that_comes_back_is_not_the_one_of_before():
    history = FillSmoother()
    original = np.full((256, 256, 3), 220, np.uint8)
    here, there = np.zeros((2, 256, 256), np.uint8)
    here[20:100, 20:100], there[160:240, 160:240] = 255, 255
    for mask, level in [(here, 50)] * 5 + [(there, 90)] * 60 + [(there * 0, 90)] * 60:
        fill = np.where(mask[..., None] > 0, level, original).astype(np.uint8)
        history.update(original, fill, mask)
    fill = np.where(here[..., None] > 0, 130, original).astype(np.uint8)
    calm, held = history.update(original, fill, here)
    assert held[here > 0].min() > 0
    assert (calm[held > 0] == 130).all()
    np.testing.assert_array_equal(calm[held == 0], original[held == 0])


def test_faces_keep_their_numbers():
    tracker = Tracker(load("onnx", threads=1).locator)
    people = [cv2.imread(str(EXAMPLES / name))[..., ::-1] for name in ("dark.jpg", "n95.jpg")]
    people = [cv2.resize(face, (200, 200), interpolation=cv2.INTER_AREA) for face in people]

    def frame(*lefts):
        image = np.full((240, 640, 3), 127, np.uint8)
        for face, left in zip(people, lefts, strict=False):
            image[20:220, left : left + 200] = face
        return image

    for step in range(4):
        first, second = tracker.update(frame(10 + 15 * step, 430 - 15 * step))
        if step == 0:
            left, right = sorted((first, second), key=lambda track: track.eyes[0, 0])
            start = left.eyes.copy()
        assert [first.number, second.number] == [0, 1]
        assert {first, second} == {left, right}
        np.testing.assert_allclose(left.eyes[:, 0], start[:, 0] + 15 * step, atol=1)
    # One face leaves; when it returns, it is a new face.
    assert tracker.update(frame(70)) == [left]
    returned = [
        tracker.update(frame(70, 370)) for _ in range(round(DETECTION_INTERVAL / FRAME_TIME))
    ]
    assert [track.number for track in returned[-1]] == [left.number, 2]
    assert tracker.update(frame()) == []


def test_face_that_the_detector_misses_is_followed(painted_model, walk):
    tracker = Tracker(painted_model.locator)
    (seen,) = tracker.update(walk((200, 200), distance=14))
    assert seen.missed == 0
    # Smaller than the detector reports it.
    small = walk((201, 200), distance=10)
    assert painted_model.locator(small) == []
    # At each of these times the detector looks.
    times = [(i + 1) * DETECTION_INTERVAL for i in range(MAX_MISSED + 1)]
    followed = [tracker.update(small, time) for time in times]
    assert [len(tracks) for tracks in followed] == [1] * MAX_MISSED + [0]
    (track,) = followed[0]
    assert track is seen
    assert track.eyes[0, 0] == pytest.approx(201, abs=2)


def test_session_gives_the_same_frame_by_frame_and_in_batches(painted_model, walk):
    frames = [walk((100 + 9 * step, 150)) for step in range(6)]
    before = [frame.copy() for frame in frames]
    one, many = Session(painted_model), Session(painted_model)
    single = [one(frame) for frame in frames]
    batch = many.batch(frames[:4]) + many.batch(frame for frame in frames[4:])
    for a, b in zip(single, batch, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert [f.track for f in a.faces] == [f.track for f in b.faces] == [0]
        assert list(b.timings) == ["locate", "align", "run", "paste"]
        assert (a.image != frames[0]).any()
    for frame, copy in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame, copy)


def test_without_smoothing_frames_are_independent(painted_model, walk):
    session = Session(painted_model, smooth=False)
    for step in range(3):
        frame = walk((100 + 20 * step, 150))
        np.testing.assert_array_equal(session(frame).image, painted_model(frame).image)


def test_session_without_faces_and_with_wrong_frames(painted_model, backdrop, painted_artifacts):
    session = Session(painted_model)
    assert session.batch([]) == []
    result = session(backdrop)
    assert result.faces == ()
    np.testing.assert_array_equal(result.image, backdrop)
    # cv2.VideoCapture gives None at the end.
    for wrong in (backdrop.astype(np.float32), backdrop[..., 0], None, "photo.jpg", [1, 2]):
        with pytest.raises(InvalidInputError, match="uint8 RGB"):
            session(wrong)
        with pytest.raises(InvalidInputError, match="uint8 RGB"):
            session.batch([backdrop, wrong])
    with pytest.raises(InvalidInputError, match="frames must be a list of images; got NoneType"):
        session.batch(None)
    for times in ([], [0.0, 1.0], [float("nan")], ["0"], 0.5):
        with pytest.raises(
            InvalidInputError, match="one finite number of seconds for each of the 1"
        ):
            session.batch([backdrop], times)
    closed = load("onnx", artifacts=painted_artifacts)
    closed.close()
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        Session(closed)
    with pytest.raises(InvalidInputError, match=r"what unmask_sdk\.load\(\) returns; got 'onnx'"):
        Session("onnx")
