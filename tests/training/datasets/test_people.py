"""Inferring the person of each image, and holding people out."""

from __future__ import annotations

import pytest

from unmask_sdk.training.datasets import people
from unmask_sdk.training.datasets.people import assign_splits, hold_out, infer_people


def test_a_folder_is_a_person():
    assert infer_people(["bob/1.jpg", "bob/2.jpg", "eve/1.jpg"]) == ["bob", "bob", "eve"]
    assert infer_people(["lfw/Bob/1.jpg", "lfw/Bob/b/1.jpg"]) == ["lfw/Bob", "lfw/Bob/b"]
    assert infer_people(["1.jpg", "2.jpg"]) == ["1.jpg", "2.jpg"]


def test_a_data_set_is_not_a_person():
    # Many images directly in a top-level folder, and single images in a folder of people.
    crowd = [f"utkface/{i}.jpg" for i in range(people.MAX_IMAGES_OF_A_PERSON + 1)]
    rest = ["lfw/Bob/1.jpg", "lfw/stray.jpg", "eve/1.jpg", "eve/2.jpg"]
    found = infer_people([*crowd, *rest])
    assert found == [*crowd, "lfw/Bob", "lfw/stray.jpg", "eve", "eve"]


@pytest.mark.parametrize("count", [2, 3, 10, 500])
def test_some_people_are_held_out_but_never_all(count):
    for name in "abcdefgh":
        names = [f"{name}{i}" for i in range(count)]
        held_out = hold_out(names)
        assert 1 <= len(held_out) < count
        if count == 500:
            assert 0.05 * count < len(held_out) < 0.15 * count
    # The same person stays on the same side as a large set grows.
    assert hold_out(names) <= hold_out([*names, "another", "third"])


def test_a_single_person_is_trained_on():
    assert assign_splits(["me", "me"]) == ["train", "train"]
    assert assign_splits([]) == []
