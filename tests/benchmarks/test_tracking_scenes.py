"""What must hold in scenes in which faces are easily lost or confused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from unmask_sdk import Session, load
from unmask_sdk.benchmarks.moving_faces import RATE, cast
from unmask_sdk.benchmarks.tracking_scenes import SCENES, measure, shots


@pytest.fixture(scope="module")
def actors():
    return cast(Path(__file__).parents[2] / "examples")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_faces_are_neither_lost_nor_confused_nor_painted_over(actors, name):
    frames = list(shots(actors, SCENES[name]))
    with load("onnx", "int8", threads=1) as model:
        session = Session(model)
        results = [session(shot.image, index / RATE) for index, shot in enumerate(frames)]
    score = measure(frames, results)
    # A new face may be found 0.3 s late.
    assert score.missed <= 0.3
    assert all(a.isdisjoint(b) for a, b in combinations(score.numbers.values(), 2))
    assert score.ghost <= 0.1
