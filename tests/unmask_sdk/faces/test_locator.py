"""Geometry of the locator, and the locator with fake networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE, BORDER, COARSE_SIDE, FULL_SIDE, MAX_SIDE
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.faces import detector_postprocess as module
from unmask_sdk.faces.align import transform_points
from unmask_sdk.faces.detector_postprocess import (
    CELL,
    TEMPLATE,
    box_matrix,
    decode_boxes,
    detector_scales,
    iou,
    letterbox,
    nms,
    points_matrix,
)
from unmask_sdk.faces.locator import PLACING_STEPS, POINT_STEPS, Locator

boxes_of = st.lists(
    st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(1, 100)] * 2, st.floats(0, 1)), max_size=12
)


def as_boxes(drawn: list[tuple[float, ...]]) -> tuple[AnyArray, AnyArray]:
    table = np.array(drawn, dtype=np.float64).reshape(-1, 5)
    return np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]]), table[:, 4]


@given(boxes_of)
def test_nms_keeps_the_best_and_nothing_that_overlaps(drawn):
    boxes, scores = as_boxes(drawn)
    kept = nms(boxes, scores, 0.4)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for place, i in enumerate(kept):
        assert (iou(boxes[i], boxes[kept[:place]]) <= 0.4).all()
    for i in set(range(len(boxes))) - set(kept):
        rivals = [k for k in kept if scores[k] >= scores[i]]
        assert iou(boxes[i], boxes[rivals]).max() > 0.4


@given(boxes_of)
def test_iou_is_one_with_itself_and_symmetric(drawn):
    boxes, _ = as_boxes(drawn)
    table = np.array([iou(b, boxes) for b in boxes]).reshape(len(boxes), len(boxes))
    np.testing.assert_allclose(np.diag(table), 1)
    np.testing.assert_allclose(table, table.T)
    assert ((table >= 0) & (table <= 1 + 1e-12)).all()


@given(
    st.floats(-np.pi, np.pi),
    st.floats(0.1, 20),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_points_matrix_undoes_any_similarity(angle, scale, shift):
    turn = scale * np.exp(1j * angle)
    moved = (TEMPLATE * ALIGN_SIZE - 0.5) @ np.array([1, 1j]) * turn + complex(*shift)
    points = np.stack([moved.real, moved.imag], 1)
    seen = transform_points(points_matrix(points), points)
    np.testing.assert_allclose(seen, TEMPLATE * ALIGN_SIZE - 0.5, atol=1e-6)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), 7.0), TEMPLATE * 1e-5])
def test_points_matrix_survives_points_without_size(points):
    matrix = points_matrix(points)
    assert np.isfinite(matrix).all()
    assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(1)


def test_box_matrix_centers_the_box():
    box = np.array([10.0, 20.0, 50.0, 80.0])
    center = transform_points(box_matrix(box), (box[:2] + box[2:]) / 2)
    np.testing.assert_allclose(center, [(ALIGN_SIZE - 1) / 2] * 2)


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_scales_cover_the_photo_without_gaps(height, width):
    looks = detector_scales(height, width)
    longest = max(height, width)
    assert 1 <= len(looks) <= 3
    assert looks == sorted(looks)
    assert looks[0] <= 1
    # A face that fills the frame is no larger than the detector sees.
    full = looks[0] * min(height, width)
    assert looks[0] * longest <= COARSE_SIDE + 1e-6 or full <= FULL_SIDE
    assert looks[-1] * longest <= MAX_SIDE + 1e-6
    # 40 px are at least 16 px in the finest scale, or 1/104 of a longer photo.
    assert looks[-1] * max(40, longest / 100) >= 16 - 1e-9
    steps = np.array(looks[1:]) / np.array(looks[:-1])
    assert (steps <= module.MAX_STEP + 1e-9).all()


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.05, 1))
def test_letterbox_returns_sides_that_the_detector_takes(height, width, scale):
    canvas, factors = letterbox(np.full((height, width, 3), 9, np.uint8), scale)
    assert canvas.shape[0] % 32 == canvas.shape[1] % 32 == 0
    inside = canvas == 9
    columns, rows = (round(n / f) for n, f in zip((width, height), factors, strict=True))
    assert inside.sum() == rows * columns * 3
    assert inside[BORDER : BORDER + rows, BORDER : BORDER + columns].all()


def test_decode_boxes_returns_one_box_per_peak():
    heat = np.zeros((6, 8), np.float32)
    box = np.zeros((6, 8, 4), np.float32)
    heat[2, 3], heat[2, 4] = 0.9, 0.6
    box[2, 3] = [0.25, -0.5, np.log(4), np.log(2)]
    boxes, scores = decode_boxes(heat, box)
    cx, cy = 3.5 * CELL - 0.5 + 0.25 * 32, 2.5 * CELL - 0.5 - 0.5 * 16
    np.testing.assert_allclose(boxes, [[cx - 16, cy - 8, cx + 16, cy + 8]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)


def test_decode_boxes_of_nonsense_stays_finite():
    boxes, _ = decode_boxes(np.ones((4, 4), np.float32), np.full((4, 4, 4), 1e9, np.float32))
    assert np.isfinite(boxes).all()


class StubDetector:
    """Finds one face of 80 px centered where the image is white."""

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        cells = inputs["image"][:, 4::CELL, 4::CELL, 0]
        heat = np.where(cells == 255, 0.9, 0.0).astype(np.float32)
        box = np.zeros((*heat.shape, 4), np.float32)
        box[..., 2:] = np.log(10)
        return {"heat": heat, "box": box}


class StubAligner:
    """Always answers with the template, off by `error` crop sides."""

    def __init__(self, score: float = 0.9, error: float = 0.0) -> None:
        self.score = score
        self.error = error

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        count = len(inputs["image"])
        points = np.tile((TEMPLATE + self.error).astype(np.float32), (count, 1, 1))
        return {"points": points, "score": np.full(count, self.score, np.float32)}


def photo_with_dots(*places: tuple[int, int]) -> UInt8Array:
    photo = np.zeros((200, 280, 3), np.uint8)
    for x, y in places:
        photo[y - 3 : y + 5, x - 3 : x + 5] = 255
    return photo


def test_locator_returns_boxes_and_points_in_photo_pixels():
    (face,) = Locator(StubDetector(), StubAligner())(photo_with_dots((99, 99)))
    np.testing.assert_allclose(face.box, [59.5, 59.5, 139.5, 139.5], atol=1e-3)
    assert face.score == pytest.approx(0.9)
    side = 80 * module.BOX_MARGIN
    # What places the second look is rounded.
    error = 0.5 / PLACING_STEPS + 0.5 / POINT_STEPS
    np.testing.assert_allclose(face.points, (TEMPLATE - 0.5) * side + 99.5, atol=error)
    np.testing.assert_array_equal(face.eyes, face.points[:2])


def test_points_are_the_same_whatever_the_last_digits_of_a_runtime():
    photo = photo_with_dots((99, 99))
    faces = [Locator(StubDetector(), StubAligner(error=e))(photo)[0] for e in (0, 3e-7, -3e-7)]
    for face in faces[1:]:
        np.testing.assert_array_equal(face.points, faces[0].points)


def test_locator_counts_one_face_once_and_two_twice():
    find = Locator(StubDetector(), StubAligner())
    assert len(find(photo_with_dots((99, 99), (115, 99)))) == 1
    assert len(find(photo_with_dots((59, 99), (219, 99)))) == 2
    assert find(photo_with_dots()) == []


def test_locator_drops_faces_with_a_low_aligner_score():
    assert Locator(StubDetector(), StubAligner(0.05))(photo_with_dots((99, 99))) == []


def test_align_takes_a_box():
    face = Locator(StubDetector(), StubAligner())
    place = face.align(photo_with_dots((99, 99)), [60, 50, 140, 150])
    assert place.box == (60.0, 50.0, 140.0, 150.0)
    assert place.score == pytest.approx(0.9)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_wrong_images_are_refused(image):
    with pytest.raises(InvalidInputError, match="image"):
        Locator(StubDetector(), StubAligner())(image)


@pytest.mark.parametrize("box", [[1, 2, 3], [5, 5, 5, 9], [5, 9, 9, 5], [0, 0, np.nan, 9]])
def test_wrong_boxes_are_refused(box):
    with pytest.raises(InvalidInputError, match="box must be"):
        Locator(StubDetector(), StubAligner()).align(np.zeros((9, 9, 3), np.uint8), box)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (5000, 7), (3, 3)])
def test_extreme_shapes_are_accepted(shape):
    assert Locator(StubDetector(), StubAligner())(np.zeros((*shape, 3), np.uint8)) == []
