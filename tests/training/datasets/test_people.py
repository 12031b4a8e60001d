"""Who is in which picture, and who is held out."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets import people
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.people import assign_splits, hold_out, infer_people
from unmask_sdk.training.datasets.selection import check_splits


def test_a_folder_is_a_person():
    assert infer_people(["bob/1.jpg", "bob/2.jpg", "eve/1.jpg"]) == ["bob", "bob", "eve"]
    assert infer_people(["lfw/Bob/1.jpg", "lfw/Bob/b/1.jpg"]) == ["lfw/Bob", "lfw/Bob/b"]
    assert infer_people(["1.jpg", "2.jpg"]) == ["1.jpg", "2.jpg"]


def test_a_data_set_is_nobody():
    # Many pictures directly in a top-level folder; and a folder of people with strays in it.
    crowd = [f"utkface/{i}.jpg" for i in range(people.CROWD + 1)]
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


def test_one_person_alone_is_trained_on():
    assert assign_splits(["me", "me"]) == ["train", "train"]
    assert assign_splits([]) == []


def landmark_file(path, names, **arrays):
    np.savez(path, name=np.array(names), landmarks=np.zeros((len(names), 468, 2)), **arrays)
    return path


def test_landmarks_without_split_are_split_by_person(tmp_path):
    names = [f"person{i // 3}/{i}.jpg" for i in range(60)]
    faces = read_landmarks(landmark_file(tmp_path / "l.npz", names))
    sides = {person: {f.split for f in faces if f.person == person} for person in set(names)}
    assert all(len(side) <= 1 for side in sides.values())
    assert {face.split for face in faces} == {"train", "val"}
    assert {face.person for face in faces} == {f"person{i}" for i in range(20)}
    check_splits(faces, tmp_path / "l.npz")


def test_the_array_person_goes_before_the_folder(tmp_path):
    names, who = ["a/1.jpg", "a/2.jpg", "b/1.jpg"], ["eve", "bob", "eve"]
    faces = read_landmarks(landmark_file(tmp_path / "l.npz", names, person=np.array(who)))
    assert [face.person for face in faces] == who
    short = landmark_file(tmp_path / "s.npz", names, person=np.array(["eve"]))
    with pytest.raises(DataError, match="differ in length"):
        read_landmarks(short)


def test_one_person_alone_cannot_be_trained_on(tmp_path):
    path = landmark_file(tmp_path / "l.npz", ["me/1.jpg", "me/2.jpg"])
    with pytest.raises(DataError, match=r"no faces in split 'val'.*two people"):
        check_splits(read_landmarks(path), path)
