"""The faces that are found in a browser are those that the Python package finds."""

from __future__ import annotations

import numpy as np
import pytest

from example_photos import EXAMPLES, example_photo, read_rgb
from unmask_sdk.benchmarks.web_model import load_as_web
from unmask_sdk.faces.locator import Location, Locator
from unmask_sdk.faces.positions import locate_in_positions

pytestmark = pytest.mark.browser

LOCATING = "../tests/locating.js"


@pytest.fixture(scope="module")
def locator():
    with load_as_web("unmask-256-lite", "int8") as model:
        yield model.locator


def distance(found, expected: list[Location]) -> float:
    """Returns the largest difference of boxes and eyes, in pixels."""
    assert len(found) == len(expected)
    differences = [0.0]
    for one, other in zip(found, expected, strict=True):
        differences.append(np.abs(np.subtract(one["box"], other.box)).max())
        differences.append(np.abs(np.subtract(one["points"], other.points)[:2]).max())
        assert one["score"] == pytest.approx(other.score, abs=0.001)
    return max(differences)


def test_examples(npm, call, locator: Locator):
    for path in EXAMPLES:
        image = read_rgb(path)
        expected = locator(image)
        assert len(expected) == 1
        assert distance(call(LOCATING, "locate", image), expected) < 0.01


def test_fifty_synthetic_photos(npm, call, locator: Locator):
    faces, farthest = 0, 0.0
    for seed in range(50):
        image = example_photo(seed)
        expected = locator(image)
        faces += len(expected)
        farthest = max(farthest, distance(call(LOCATING, "locate", image), expected))
    assert faces >= 50
    assert farthest < 0.01


def test_given_boxes_and_followed_faces(npm, call, locator: Locator):
    image = read_rgb(EXAMPLES[0])
    (face,) = locator(image)
    box = np.add(face.box, (5.0, -4.0, -3.0, 6.0)).tolist()
    aligned = call(LOCATING, "align", image, box)
    assert distance([aligned], [locator.align(image, box)]) < 0.01
    previous = {"box": list(face.box), "points": (face.points + 7).tolist(), "score": 1.0}
    moved = Location(face.box, face.points + 7, 1.0)
    followed = call(LOCATING, "follow", image, [previous])
    assert distance(followed, locator.follow(image, [moved])) < 0.01
    assert call(LOCATING, "follow", image, []) == []


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_photos_that_lie_on_their_side(npm, call, locator: Locator, turns):
    image = np.ascontiguousarray(np.rot90(read_rgb(EXAMPLES[0]), turns))
    expected, note = locate_in_positions(image, locator)
    found = call(LOCATING, "locateTurned", image)
    # Upside down the second look of the aligner multiplies differences of the first.
    assert distance(found["faces"], expected) < 0.05
    assert found["note"] == note


def test_large_and_tiny_photos(npm, call, locator: Locator):
    """Three scales of the detector; and a photo smaller than a face."""
    large = np.repeat(np.repeat(read_rgb(EXAMPLES[0]), 5, axis=0), 7, axis=1)[:, :3000]
    for image in (large, np.zeros((1, 1, 3), np.uint8), np.zeros((3, 500, 3), np.uint8)):
        expected = locator(image)
        assert distance(call(LOCATING, "locate", image), expected) < 0.01
