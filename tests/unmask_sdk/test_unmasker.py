"""From photo to result, with networks whose answers are known (see `conftest.py`)."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from unmask_sdk import load
from unmask_sdk.errors import ImageReadError, InvalidInputError, RuntimeUnavailableError
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.faces.given_faces import MIN_BOX_SCORE
from unmask_sdk.pipeline import MIN_MASK_SHARE

SKIN, PALE = (200, 150, 120), (140, 180, 220)
EYES = np.array([[250.0, 95.0], [310.0, 98.0]])


def mouth(eyes: np.ndarray) -> tuple[int, int]:
    """The photo's (row, column) at the middle of the painted patch."""
    inverse = np.linalg.inv(np.vstack([crop_matrix(eyes), [0, 0, 1]]))[:2]
    x, y = np.rint(transform_points(inverse, [128, 175])).astype(int)
    return int(y), int(x)


def filled(result, eyes: np.ndarray, color: tuple[int, int, int] = SKIN) -> bool:
    """Whether the middle of the patch has a color; grain of the photo's own may lie on it."""
    y, x = mouth(eyes)
    around = result.image[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3).astype(int)
    return bool(np.abs(around.mean(0) - color).max() <= 8)


@pytest.fixture
def photo(painter, backdrop):
    return painter(backdrop, EYES)


def test_a_mask_is_taken_off_and_the_rest_is_untouched(painted_model, photo):
    before = photo.copy()
    result = painted_model(photo)
    np.testing.assert_array_equal(photo, before)
    (face,) = result.faces
    assert face.masked
    assert filled(result, EYES)
    changed = (result.image != photo).any(-1)
    x0, y0, x1, y1 = (round(v) for v in face.box)
    changed[y0 : y1 + 12, x0 : x1 + 1] = False  # The seam lies around the mask, at the chin.
    assert not changed.any()
    # The locator stub measures an upright patch; the face is rolled by three degrees.
    np.testing.assert_allclose(face.eyes, EYES, atol=6)
    assert 0.5 <= face.confidence <= 1
    assert face.mask.shape == (256, 256)
    assert face.mask.dtype == np.uint8
    assert face.crop.shape == face.original.shape == (256, 256, 3)
    np.testing.assert_array_equal(face.crop[face.mask == 0], face.original[face.mask == 0])
    assert list(result.timings) == ["decode", "locate", "align", "run", "paste"]
    assert all(ms >= 0 for ms in result.timings.values())


def test_every_way_in_gives_the_same(painted_model, photo, tmp_path):
    wanted = painted_model(photo).image
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    sources = (path, str(path), path.read_bytes(), Image.open(path), photo.copy())
    for source in sources:
        np.testing.assert_array_equal(painted_model(source).image, wanted)
    bgr = np.ascontiguousarray(photo[..., ::-1])
    np.testing.assert_array_equal(painted_model(bgr, channels="bgr").image, wanted)
    np.testing.assert_array_equal(painted_model(bgr[..., ::-1]).image, wanted)


def test_no_face_gives_the_photo_back(painted_model, backdrop):
    result = painted_model(backdrop)
    assert result.faces == ()
    np.testing.assert_array_equal(result.image, backdrop)
    assert not np.shares_memory(result.image, backdrop)


def test_a_bare_face_is_untouched(painted_model, painter, backdrop):
    photo = painter(backdrop, EYES, PALE)
    result = painted_model(photo)
    (face,) = result.faces
    assert not face.masked
    assert not face.mask.any()
    np.testing.assert_array_equal(face.crop, face.original)
    np.testing.assert_array_equal(result.image, photo)


def test_a_speck_of_mask_is_no_mask(painted_model, backdrop):
    side = int(256 * np.sqrt(MIN_MASK_SHARE))
    for grown, masked in ((-4, False), (6, True)):
        photo = backdrop.copy()
        photo[200 : 200 + side + grown, 250 : 250 + side + grown] = (20, 60, 230)
        (face,) = painted_model(photo, eyes=[[230, 140], [290, 140]]).faces
        assert face.masked is masked


def test_own_eyes_and_boxes_are_used(painted_model, photo):
    by_eyes = painted_model(photo, eyes=EYES)
    (face,) = by_eyes.faces
    np.testing.assert_array_equal(face.eyes, EYES)
    assert face.confidence == 1
    assert filled(by_eyes, EYES)
    by_box = painted_model(photo, boxes=[face.box])
    assert by_box.faces[0].masked
    assert by_box.faces[0].box == face.box
    np.testing.assert_allclose(by_box.faces[0].eyes, EYES, atol=6)
    for empty in ([], np.zeros((0, 4))):
        assert painted_model(photo, boxes=empty).faces == ()
    assert painted_model(photo, eyes=[]).faces == ()


def test_a_box_without_a_face_is_left_alone():
    pytest.importorskip("onnxruntime")
    data = pytest.importorskip("skimage.data")
    examples = Path(__file__).parents[2] / "examples"
    with load("onnx", threads=1) as model:
        with Image.open(examples / "surgical.jpg") as image:
            photo = np.array(image)
        (found,) = model(photo).faces
        side = 0.1 * (found.box[2] - found.box[0])
        for off in (0, side, -side):
            (face,) = model(photo, boxes=np.array(found.box) + off).faces
            assert face.masked
            assert face.confidence > 0.95
        astronaut = data.astronaut()
        (face,) = model(astronaut, boxes=[180, 67, 268, 174]).faces
        assert face.confidence > 0.95
        # Suit and background would pass for masks here.
        boxes = [[290, 200, 404, 343], [152, 366, 267, 510], [402, 199, 492, 312]]
        result = model(astronaut, boxes=boxes)
        assert [face.masked for face in result.faces] == [False] * 3
        assert max(face.confidence for face in result.faces) < MIN_BOX_SCORE
        np.testing.assert_array_equal(result.image, astronaut)


def test_many_faces_in_one_photo(painted_model, painter, backdrop):
    pairs = [
        np.array([[60 + 130 * x, 40 + 130 * y], [90 + 130 * x, 40 + 130 * y]], float)
        for y in range(3)
        for x in range(4)
    ]
    photo = backdrop
    for i, pair in enumerate(pairs):
        photo = painter(photo, pair, PALE if i % 3 == 0 else (20, 60, 230))
    result = painted_model(photo, eyes=pairs)
    assert len(result.faces) == len(pairs)
    assert [face.masked for face in result.faces] == [i % 3 != 0 for i in range(len(pairs))]
    for i, pair in enumerate(pairs):
        assert filled(result, pair, PALE if i % 3 == 0 else SKIN)


@pytest.mark.parametrize("distance", [8, 20, 60, 150, 400])
@pytest.mark.parametrize("roll", [-45, 0, 30, 90])
def test_sizes_and_rolls(painted_model, painter, distance, roll):
    photo = np.full((900, 1200, 3), (120, 110, 100), np.uint8)
    turn = np.deg2rad(roll)
    half = distance / 2 * np.array([[np.cos(turn), np.sin(turn)]])
    eyes = np.array([600, 450]) + half * [[-1], [1]]
    painted = painter(photo, eyes)
    result = painted_model(painted, eyes=eyes)
    assert result.faces[0].masked
    error = np.abs(result.image[mouth(eyes)].astype(int) - SKIN)
    assert error.max() <= 2


def test_a_face_at_the_edge_and_a_face_larger_than_the_photo(painted_model, painter, backdrop):
    for eyes in ([[-10, 200], [50, 200]], [[600, 380], [660, 380]], [[-200, 100], [800, 100]]):
        photo = painter(backdrop, eyes)
        result = painted_model(photo, eyes=eyes)
        assert result.image.shape == photo.shape
        # Beyond the photo the crop repeats its border, so what is left of the patch goes.
        blue = photo[..., 2].astype(int) - photo[..., 0] > 150
        left = result.image[..., 2].astype(int) - result.image[..., 0] > 150
        assert left.sum() <= 0.1 * blue.sum()


def test_a_black_and_white_photo_stays_so(painted_model, painter, backdrop, monkeypatch):
    gray = np.repeat(np.asarray(Image.fromarray(backdrop).convert("L"))[..., None], 3, 2)
    # The stub takes blue for a mask, which a gray photo cannot hold: answer in its place.
    mask = np.zeros((1, 256, 256, 1), np.uint8)
    mask[:, 140:220, 80:180] = 255
    monkeypatch.setattr(
        painted_model, "crops", lambda crops: (np.where(mask > 0, np.uint8(SKIN), crops), mask)
    )
    result = painted_model(gray, eyes=EYES)
    assert result.faces[0].masked
    assert (result.image != gray).any()
    assert np.ptp(result.image.astype(int), axis=2).max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 1), (3, 3)])
def test_tiny_pictures(painted_model, shape):
    photo = np.zeros((*shape, 3), np.uint8)
    assert painted_model(photo).faces == ()


def test_a_20000_pixel_photo(painted_model, painter):
    photo = np.full((400, 20_000, 3), 110, np.uint8)
    eyes = np.array([[19_000.0, 150.0], [19_060.0, 150.0]])
    photo = painter(photo, eyes)
    result = painted_model(photo, eyes=eyes)
    assert result.image[mouth(eyes)].tolist() == list(SKIN)
    assert (result.image[:, :18_800] == 110).all()


def test_saving_keeps_what_the_photo_carried(painted_model, photo, tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "Maker"
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:10] = 7
    turned = np.rot90(np.dstack([photo, alpha]))  # Orientation 6 turns it upright again.
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "in.png", exif=tags)
    result = painted_model(tmp_path / "in.png")
    assert result.image.shape == photo.shape
    result.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        np.testing.assert_array_equal(np.array(image)[..., :3], result.image)
        np.testing.assert_array_equal(np.array(image)[..., 3], alpha)
        assert image.getexif()[0x010F] == "Maker"
        assert image.getexif()[0x0112] == 1
    result.save(str(tmp_path / "out.jpg"), quality=80)
    assert Image.open(tmp_path / "out.jpg").mode == "RGB"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"eyes": [[1, 2]]}, "eyes must have the shape"),
        ({"eyes": [[[1, 2], [3, 4], [5, 6]]]}, "eyes must have the shape"),
        ({"eyes": "ab"}, "eyes must be numbers"),
        ({"eyes": [[[1, 2], [3]]]}, "eyes must be numbers"),
        ({"eyes": [[[1, 2], [1, 2]]]}, "apart"),
        ({"eyes": [[[1, 2], [float("nan"), 2]]]}, "finite"),
        ({"eyes": [[[900, 50], [960, 50]]]}, "outside"),
        ({"eyes": [[[-1e200, 9], [1e200, 9]]]}, "too far apart"),
        ({"boxes": [1, 2, 3]}, "boxes must have the shape"),
        ({"boxes": [[5, 5, 4, 9]]}, "box must be"),
        ({"boxes": [[700, 5, 800, 9]]}, "boxes must not lie outside the 640x480 image"),
        ({"boxes": [[5, -90, 99, -3]]}, "boxes must not lie outside"),
        ({"boxes": [[9, 9, 99, 99], [5, 480, 99, 560]]}, "boxes must not lie outside"),
        ({"boxes": [[1, 2, 3, 4]], "eyes": [EYES]}, "not both"),
        ({"channels": "rbg"}, "channels"),
    ],
)
def test_wrong_arguments_are_named(painted_model, photo, arguments, words):
    with pytest.raises(InvalidInputError, match=words):
        painted_model(photo, **arguments)


def test_crops(painted_model, painter):
    gray = np.full((256, 256, 3), 90, np.uint8)
    masked = painter(gray, [[98, 112], [158, 112]])
    # More than go through the network at once.
    batch = np.stack([masked, gray] * 5)
    unmasked, masks = painted_model.crops(batch)
    assert unmasked.shape == batch.shape
    assert masks.shape == (*batch.shape[:3], 1)
    np.testing.assert_array_equal(unmasked[1::2], batch[1::2])
    assert unmasked[0, 175, 128].tolist() == list(SKIN)
    np.testing.assert_array_equal(unmasked[::2], np.repeat(unmasked[:1], 5, 0))
    assert painted_model.crops(batch[:0])[1].shape == (0, 256, 256, 1)
    for wrong in (batch[0], batch.astype(np.float32), np.zeros((20, 8, 8, 3), np.uint8), None):
        with pytest.raises(InvalidInputError):
            painted_model.crops(wrong)


def test_threads_share_a_model(painted_model, photo):
    wanted = painted_model(photo).image
    results: list[np.ndarray] = []
    workers = [
        threading.Thread(target=lambda: results.append(painted_model(photo).image))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    assert all((result == wanted).all() for result in results)


def test_a_closed_model_says_so(painted_artifacts: Path, photo):
    with load("onnx", threads=1, artifacts=painted_artifacts) as model:
        assert model.runtime.runtime == "onnx"
        assert model.selection[-1].usable
        assert "onnx" in repr(model)
    model.close()
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        model(photo)
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        model.crops(np.zeros((1, 256, 256, 3), np.uint8))


def test_reprs_are_short(painted_model, photo):
    result = painted_model(photo)
    assert repr(result).startswith("Result(640x480, faces: 1, masks removed: 1, ")
    assert "mask removed" in repr(result.faces[0])
    assert len(repr(result)) < 100
    assert len(repr(result.faces[0])) < 100


def test_a_file_that_is_no_picture(painted_model, tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(ImageReadError, match="not an image"):
        painted_model(tmp_path / "a.jpg")


def test_only_the_faces_asked_for(painted_model, painter, backdrop):
    left, right = [[100.0, 95.0], [150.0, 95.0]], [[420.0, 95.0], [470.0, 95.0]]
    photo = painter(painter(backdrop, left), right)
    result = painted_model(photo, eyes=[left, right], only=lambda place: place.eyes[0, 0] > 300)
    (face,) = result.faces
    np.testing.assert_array_equal(face.eyes, right)
    np.testing.assert_array_equal(result.image[:, :300], photo[:, :300])
    assert filled(result, np.array(right))
    # A face is as sure before as after, under one name.
    asked = []
    result = painted_model(photo, only=lambda place: asked.append(place.confidence) or True)
    assert sorted(asked) == sorted(face.confidence for face in result.faces)
    assert painted_model(photo, only=lambda place: place.score > 1).faces == ()
    with pytest.raises(InvalidInputError, match=r"only must be a function .*; got \[0\]"):
        painted_model(photo, only=[0])


@pytest.mark.parametrize("distance", [14, 60, 150])
def test_what_was_generated_is_known_to_the_pixel(painted_model, painter, backdrop, distance):
    eyes = np.array([[300.0 - distance / 2, 150.0], [300.0 + distance / 2, 140.0]])
    photo = painter(backdrop, eyes)
    result = painted_model(photo, eyes=[eyes])
    assert result.generated.shape == photo.shape[:2]
    np.testing.assert_array_equal(result.image[result.generated == 0], photo[result.generated == 0])
    assert result.generated[mouth(eyes)] == 255
    changed = (result.image != photo).any(-1)
    assert changed[result.generated == 255].mean() > 0.9
    assert not painted_model(backdrop).generated.any()


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(1, 60), st.integers(1, 60)),
            st.tuples(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 3, 4])),
        ),
    ),
    st.sampled_from(["rgb", "bgr"]),
    st.one_of(
        st.none(),
        st.lists(st.lists(st.floats(-1e3, 1e3) | st.sampled_from([np.nan, np.inf]), min_size=2)),
        st.lists(st.lists(st.floats(-50, 100), min_size=4, max_size=4), max_size=3),
    ),
    st.booleans(),
)
def test_any_array_and_any_options_give_a_result_or_our_own_error(
    painted_model, array, channels, places, as_boxes
):
    before = array.copy()
    options = {} if places is None else {"boxes" if as_boxes else "eyes": places}
    if not as_boxes and places and all(len(place) == 4 for place in places):
        options["eyes"] = [np.reshape(place, (2, 2)) for place in places]
    try:
        result = painted_model(array, channels=channels, **options)
    except InvalidInputError:
        assert options
    else:
        assert result.image.shape == (*array.shape[:2], 3)
        assert result.image.dtype == np.uint8
        assert all(np.isfinite(face.matrix).all() for face in result.faces)
    np.testing.assert_array_equal(array, before)
