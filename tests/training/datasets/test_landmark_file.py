"""Reading and checking landmark files."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import check_splits


def test_unusable_landmark_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no landmark file"):
        read_landmarks(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="not a landmark file"):
        read_landmarks(tmp_path / "bad.npz")
    np.savez(tmp_path / "short.npz", name=np.array(["a"]), landmarks=np.zeros((1, 5, 2)))
    with pytest.raises(DataError, match="468"):
        read_landmarks(tmp_path / "short.npz")


@pytest.mark.parametrize("damage", ["empty", "short", "single", "torn", "folder"])
def test_damaged_landmark_files_are_refused(faces_folder, tmp_path, damage):
    path = tmp_path / "l.npz"
    complete = (faces_folder / "landmarks.npz").read_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage == "single":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        torn = bytearray(complete)
        torn[len(complete) // 2] ^= 255
        path.write_bytes({"empty": b"", "short": complete[:5000], "torn": bytes(torn)}[damage])
    with pytest.raises(DataError, match=r"l\.npz is not a landmark file.*or damaged"):
        read_landmarks(path)


def write_file(path, names, **arrays):
    np.savez(path, name=np.array(names), landmarks=np.zeros((len(names), 468, 2)), **arrays)
    return path


def test_landmarks_without_split_are_split_by_person(tmp_path):
    names = [f"person{i // 3}/{i}.jpg" for i in range(60)]
    faces = read_landmarks(write_file(tmp_path / "l.npz", names))
    sides = {person: {f.split for f in faces if f.person == person} for person in set(names)}
    assert all(len(side) <= 1 for side in sides.values())
    assert {face.split for face in faces} == {"train", "val"}
    assert {face.person for face in faces} == {f"person{i}" for i in range(20)}
    check_splits(faces, tmp_path / "l.npz")


def test_the_array_person_overrides_the_folder(tmp_path):
    names, who = ["a/1.jpg", "a/2.jpg", "b/1.jpg"], ["eve", "bob", "eve"]
    faces = read_landmarks(write_file(tmp_path / "l.npz", names, person=np.array(who)))
    assert [face.person for face in faces] == who
    short = write_file(tmp_path / "s.npz", names, person=np.array(["eve"]))
    with pytest.raises(DataError, match="differ in length"):
        read_landmarks(short)


def test_one_person_alone_cannot_be_trained_on(tmp_path):
    path = write_file(tmp_path / "l.npz", ["me/1.jpg", "me/2.jpg"])
    with pytest.raises(DataError, match=r"no faces in split 'val'.*two people"):
        check_splits(read_landmarks(path), path)
