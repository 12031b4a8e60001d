"""Frames in a session, against the Python package, and live ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import unmask_sdk

pytestmark = pytest.mark.browser

SEQUENCES = "../tests/video/sequences.js"
MODEL = {"model": "unmask-256-lite"}
PHOTO = Path(__file__).parents[3] / "examples/surgical.jpg"


@pytest.fixture(scope="module")
def photo():
    return cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def frames(photo):
    """A head that moves, and is gone in the last two frames."""
    moved = []
    for step in range(5):
        move = np.array([[1.0, 0, 3 * step], [0, 1, -step]])
        moved.append(cv2.warpAffine(photo, move, photo.shape[1::-1], borderMode=cv2.BORDER_REFLECT))
    return [*moved, np.full_like(photo, 127), np.full_like(photo, 127)]


def test_frames_are_unmasked_as_in_python(npm, call, frames):
    found = call(SEQUENCES, "unmaskFrames", MODEL, frames)
    assert "RuntimeUnavailableError: this session is closed" in found["late"]
    with unmask_sdk.load("onnx", model="unmask-256-lite") as model:
        session = unmask_sdk.Session(model)
        for frame, result in zip(frames, found["results"], strict=True):
            expected = session(frame)
            assert [f["track"] for f in result["faces"]] == [f.track for f in expected.faces]
            assert [f["masked"] for f in result["faces"]] == [f.masked for f in expected.faces]
            image = result["image"][..., :3]
            kept = expected.generated == 0
            same = (image[kept] == frame[kept]).all(-1)
            # The crop is placed by another measurement of motion: its edge may lie elsewhere.
            assert same.mean() > 0.995
            for face, reference in zip(result["faces"], expected.faces, strict=True):
                np.testing.assert_allclose(face["eyes"], reference.eyes, atol=0.5)
            if not kept.all():
                difference = image[~kept].astype(float) - expected.image[~kept]
                assert 10 * np.log10(255**2 / np.square(difference).mean()) > 30


def test_live_frames_never_queue_up(npm, call, photo):
    small = cv2.resize(photo, (320, 320), interpolation=cv2.INTER_AREA)
    found = call(SEQUENCES, "streamCanvas", MODEL, small, 4)
    counters = found["counters"]
    assert counters["done"] == len(found["tracks"]) >= 2
    # What was neither dropped nor done is in work, or the only one that waits.
    assert 0 <= counters["received"] - counters["dropped"] - counters["done"] <= 2
    assert all(faces == [[0, True]] for faces in found["tracks"])
    # A busy machine may stall more than once.
    *stalled, ended = found["errors"]
    assert len(stalled) == counters["stalls"] >= 1
    for error in stalled:
        assert error.startswith("SourceError: the video showed no new frame for 1.5 seconds; check")
    assert ended.startswith("SourceError: the video has ended: its file is over, or its camera was")


@pytest.mark.parametrize("moving", [True, False])
def test_a_stream_ends_with_its_model(npm, call, moving):
    found = call(SEQUENCES, "closeModelOfStream", MODEL, moving)
    assert found["errors"] == [
        "RuntimeUnavailableError: this model is closed; open another with load()"
    ]
    assert found["later"] == 0
    # What the handlers throw is the page's own, and the stream goes on.
    *of_results, of_error = found["thrown"]
    assert of_results == ["Uncaught Error: of the page"] * found["done"]
    assert of_error == "Uncaught Error: of the page, too"
    assert found["done"] >= 3
