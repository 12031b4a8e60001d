"""Pictures without masks are those of the Python package."""

from __future__ import annotations

import numpy as np
import pytest

from example_photos import EXAMPLES, example_photo, read_rgb
from unmask_sdk.benchmarks.web_model import load_as_web
from web_calls import Flat

pytestmark = pytest.mark.browser

MODELS = "../tests/models.js"
ALL = [
    ("unmask-256-lite", "int8"),
    ("unmask-256-lite", "fp32"),
    ("unmask-256", "int8"),
    ("unmask-256", "fp32"),
]
LEAST_PSNR = {"fp32": 60.0, "int8": 45.0}


def noisy(image, sigma):
    noise = np.random.default_rng(9).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


def gray(image):
    return np.repeat(image[..., 1:2], 3, axis=2)


PHOTOS = {path.stem: read_rgb(path) for path in EXAMPLES} | {
    "noisy": noisy(read_rgb(EXAMPLES[0]), 8),
    "very noisy": noisy(read_rgb(EXAMPLES[1]), 20),
    "black and white": gray(read_rgb(EXAMPLES[2])),
    "small": read_rgb(EXAMPLES[3])[::4, ::4].copy(),
    "large": np.kron(read_rgb(EXAMPLES[0]), np.ones((3, 3, 1), np.uint8)),
    "two faces": example_photo(4),
}


@pytest.fixture(scope="module", params=ALL, ids=lambda pair: " ".join(pair))
def pair(request, npm, call):
    """A function that unmasks in the browser, the same model in Python, and the least PSNR."""
    name, precision = request.param
    call(MODELS, "open", f"{name} {precision}", {"model": name, "precision": precision})

    def unmask(image, **options):
        height, width = image.shape[:2]
        rgba = np.dstack([image, np.full((height, width), 255, np.uint8)])
        return call(
            MODELS, "unmaskPixels", f"{name} {precision}", Flat(rgba), width, height, options
        )

    with load_as_web(name, precision) as model:
        yield unmask, model, LEAST_PSNR[precision]


def psnr(one, other):
    error = np.mean((one.astype(float) - other) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("name", PHOTOS)
def test_pictures(pair, name):
    unmask, model, least = pair
    photo = PHOTOS[name]
    expected = model(photo)
    found = unmask(photo)
    image = found["image"]
    assert (image[..., 3] == 255).all()
    assert [face["masked"] for face in found["faces"]] == [f.masked for f in expected.faces]
    assert any(face.masked for face in expected.faces)
    generated = expected.generated
    kept = generated == 0
    np.testing.assert_array_equal(image[kept, :3], photo[kept])
    inside = generated > 127
    assert psnr(image[inside, :3], expected.image[inside]) >= least


def test_given_eyes_and_boxes(pair):
    unmask, model, least = pair
    photo = read_rgb(EXAMPLES[0])
    (face,) = model(photo).faces
    for options in ({"eyes": [face.eyes.tolist()]}, {"boxes": [list(face.box)]}):
        expected = model(photo, **options)
        found = unmask(photo, **options)
        (one,), (other,) = found["faces"], expected.faces
        np.testing.assert_allclose(one["eyes"], other.eyes, atol=0.01)
        np.testing.assert_allclose(one["box"], other.box, atol=0.01)
        assert one["confidence"] == pytest.approx(other.confidence, abs=1e-4)
        np.testing.assert_array_equal(one["original"][..., :3], other.original)
        inside = expected.generated > 127
        assert psnr(found["image"][inside, :3], expected.image[inside]) >= least


def test_photos_without_a_mask_stay_as_they_are(pair, astronaut):
    unmask, model, _ = pair
    photo, _ = astronaut
    found = unmask(photo)
    np.testing.assert_array_equal(found["image"][..., :3], photo)
    assert [face["masked"] for face in found["faces"]] == [f.masked for f in model(photo).faces]
    nobody = np.zeros((90, 120, 3), np.uint8)
    found = unmask(nobody)
    assert found["faces"] == []
    np.testing.assert_array_equal(found["image"][..., :3], nobody)
