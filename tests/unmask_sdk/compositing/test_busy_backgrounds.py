"""Small faces before foliage, bricks and hair: their texture must not become grain on the fill."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.compositing.blend import blend_crop, blend_opacity
from unmask_sdk.faces.align import crop_matrix

EXAMPLES = Path(__file__).parents[3] / "examples"
# The eyes in the example images, from the locator.
EYES = {
    "cloth": ((202.9, 226.7), (308.3, 227.3)),
    "dark": ((202.6, 204.3), (308.9, 203.6)),
    "n95": ((203.4, 228.9), (309.6, 228.5)),
    "surgical": ((202.5, 220.3), (311.3, 220.2)),
}
HEIGHT, WIDTH = 240, 280
CENTER = np.array([140.0, 100.0])
Y, X = np.mgrid[:256, :256]
MASK = (((X - 128) / 55) ** 2 + ((Y - 175) / 50) ** 2 < 1).astype(np.uint8) * 255
FILL = np.full((256, 256, 3), (180, 140, 120), np.uint8)


def foliage(rng: np.random.Generator) -> np.ndarray:
    """Leaves of every green over one another, with dark gaps."""
    image = np.full((HEIGHT, WIDTH, 3), (20, 30, 15), np.uint8)
    for _ in range(2500):
        x, y = (int(v) for v in rng.integers(0, (WIDTH, HEIGHT)))
        axes = tuple(int(v) for v in rng.integers(1, 5, 2))
        green = int(rng.integers(60, 230))
        color = (int(green * rng.uniform(0.4, 0.9)), green, int(green * 0.3))
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
    return image


def bricks(rng: np.random.Generator) -> np.ndarray:
    """Small bricks in light mortar, the color of skin."""
    image = np.full((HEIGHT, WIDTH, 3), (205, 195, 185), np.uint8)
    for row, y in enumerate(range(0, HEIGHT, 5)):
        for x in range(-4 * (row % 2), WIDTH, 9):
            image[y : y + 4, max(x, 0) : max(x + 8, 0)] = rng.uniform(0.7, 1.1) * np.array(
                (180, 125, 100)
            )
    return image


def hair(rng: np.random.Generator) -> np.ndarray:
    """Light and dark strands of brown."""
    strands = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 0.5, sigmaY=9)
    shade = np.clip(95 + 45 * strands / strands.std(), 20, 230)
    return (shade[..., None] * np.array([1.1, 0.8, 0.6])).clip(0, 255).astype(np.uint8)


BACKGROUNDS = {"foliage": foliage, "bricks": bricks, "hair": hair}


@lru_cache
def example(name: str) -> np.ndarray:
    return np.asarray(cv2.imread(str(EXAMPLES / f"{name}.jpg"))[..., ::-1])


def before(background: np.ndarray, name: str, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Puts the face of an example before a background; returns the photo and the face's matrix."""
    matrix = crop_matrix(CENTER + np.array([[-distance / 2, 0], [distance / 2, 0]]))
    face = example(name)
    shrink = distance / np.hypot(*np.subtract(*EYES[name]))
    face = cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    eyes = (np.array(EYES[name]) + 0.5) * shrink - 0.5
    to_photo = cv2.invertAffineTransform(matrix) @ np.vstack([crop_matrix(eyes), [0, 0, 1]])
    warped = cv2.warpAffine(face, to_photo, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    oval = (((X - 128) / 66) ** 2 + ((Y - 140) / 80) ** 2 < 1).astype(np.float32)
    inverse = cv2.WARP_INVERSE_MAP | cv2.INTER_AREA
    alpha = cv2.warpAffine(oval, matrix, (WIDTH, HEIGHT), flags=inverse)[..., None]
    photo = np.rint(background + alpha * (warped.astype(float) - background)).astype(np.uint8)
    return photo, matrix


def added(photo: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Standard deviations of what is added to an even fill, by color channel."""
    out = photo.copy()
    blend_crop(out, FILL, MASK, matrix)
    inverse = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    alpha = cv2.warpAffine(blend_opacity(MASK), matrix, (WIDTH, HEIGHT), flags=inverse)
    inside = cv2.erode((alpha > 0.999).astype(np.uint8), np.ones((3, 3))) > 0
    return (out[inside].astype(float) - FILL[0, 0]).std(0)


def noisy(photo: np.ndarray, strength: float, gray: bool = False) -> np.ndarray:
    shape = (*photo.shape[:2], 1 if gray else 3)
    noise = np.random.default_rng(0).normal(0, strength, shape)
    return np.clip(np.rint(photo + noise), 0, 255).astype(np.uint8)


def jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]).copy()


busy = st.tuples(
    st.sampled_from(sorted(BACKGROUNDS)),
    st.integers(0, 1000),
    st.sampled_from(sorted(EYES)),
    # Faces of 33 to 154 pixels from ear to ear.
    st.floats(15, 70),
)


def photo_of(drawn: tuple[str, int, str, float]) -> tuple[np.ndarray, np.ndarray]:
    kind, seed, name, distance = drawn
    return before(BACKGROUNDS[kind](np.random.default_rng(seed)), name, distance)


@settings(max_examples=25, deadline=None)
@given(busy)
def test_a_background_is_no_grain(drawn):
    """Earlier versions added up to 24 levels to such fills."""
    assert added(*photo_of(drawn)).max() <= 2


@settings(max_examples=25, deadline=None)
@given(busy, st.integers(20, 95))
def test_the_grid_of_a_jpeg_file_is_no_grain(drawn, quality):
    photo, matrix = photo_of(drawn)
    assert added(jpeg(photo, quality), matrix).max() <= 2.5


@pytest.mark.parametrize("distance", [24.0, 40.0, 70.0])
@pytest.mark.parametrize("name", sorted(EYES))
def test_hair_on_the_forehead_is_no_grain(name, distance):
    photo, matrix = photo_of(("hair", 0, name, distance))
    rows = cv2.transform(np.mgrid[:WIDTH, :HEIGHT].T.astype(np.float64), matrix)[..., 1]
    strands = hair(np.random.default_rng(1))
    photo[rows < 92] = strands[rows < 92]
    assert added(photo, matrix).max() <= 3


@pytest.mark.parametrize("distance", [36.0, 50.0, 70.0])
@pytest.mark.parametrize("strength", [4, 8])
@pytest.mark.parametrize("kind", sorted(BACKGROUNDS))
def test_a_noisy_photo_gets_its_noise_before_any_background(kind, strength, distance):
    photo, matrix = photo_of((kind, 0, "n95", distance))
    found = added(noisy(photo, strength), matrix)
    assert found.min() >= 0.75 * strength
    assert found.max() <= 1.25 * strength


@settings(max_examples=10, deadline=None)
@given(busy, st.floats(0, 30))
def test_noise_of_any_strength_is_bounded(drawn, strength):
    """STRONGEST in three bands and opponent channels is 9.4 in each color."""
    photo, matrix = photo_of(drawn)
    assert added(noisy(photo, strength), matrix).max() <= min(2.5 + 1.25 * strength, 11)


@pytest.mark.parametrize("kind", sorted(BACKGROUNDS))
def test_a_gray_photo_stays_gray(kind):
    photo, matrix = photo_of((kind, 0, "dark", 60.0))
    gray = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    out = noisy(gray, 5, gray=True)
    blend_crop(out, np.full_like(FILL, 140), MASK, matrix)
    assert np.ptp(out.astype(int), axis=2).max() == 0


@pytest.mark.parametrize("kind", sorted(BACKGROUNDS))
def test_the_same_photo_gives_the_same_grain(kind):
    photo, matrix = photo_of((kind, 0, "cloth", 50.0))
    images = [noisy(photo, 5) for _ in range(2)]
    for image in images:
        blend_crop(image, FILL, MASK, matrix)
    np.testing.assert_array_equal(*images)
