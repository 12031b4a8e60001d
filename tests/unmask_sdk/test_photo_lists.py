"""Lists of photos in, lists of results out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.errors import ImageReadError, InvalidInputError

EYES = [[250.0, 95.0], [310.0, 98.0]]


@pytest.fixture
def photo(painter, backdrop):
    return painter(backdrop, EYES)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_photos_gives_a_list_of_results_in_its_order(painted_model, photo, kind):
    mirrored = np.ascontiguousarray(photo[:, ::-1])
    results = painted_model(kind([photo, Image.fromarray(mirrored), photo]))
    assert isinstance(results, list)
    for result, one in zip(results, [photo, mirrored, photo], strict=True):
        np.testing.assert_array_equal(result.image, painted_model(one).image)
    assert painted_model([]) == []


def test_options_hold_for_every_photo_of_a_list(painted_model, photo):
    bgr = np.ascontiguousarray(photo[..., ::-1])
    first, second = painted_model([bgr, bgr], channels="bgr", only=lambda face: False)
    np.testing.assert_array_equal(first.image, photo)
    assert first.faces == second.faces == ()


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (7, r"photo \[1\] of the list: image must be a path.*got int"),
        (["photo.jpg"], r"photo \[1\] of the list: image must be a path.*got list"),
        (np.zeros((4, 4, 3)), r"photo \[1\] of the list: image must be uint8.*float64"),
    ],
)
def test_a_list_with_what_is_no_photo_is_refused_before_any_work(painted_model, photo, item, words):
    asked = []
    with pytest.raises(InvalidInputError, match=words):
        painted_model([photo, item], only=asked.append)
    assert not asked


def test_a_photo_of_a_list_that_cannot_be_read_is_named(painted_model, photo, tmp_path):
    with pytest.raises(
        ImageReadError, match=r"photo \[1\] of the list: .*gone\.jpg does not exist"
    ):
        painted_model([photo, tmp_path / "gone.jpg"])


def test_boxes_are_of_one_photo(painted_model, photo):
    with pytest.raises(InvalidInputError, match="call the model for each photo"):
        painted_model([photo], boxes=[[0, 0, 9, 9]])
