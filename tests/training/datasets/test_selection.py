"""Choosing faces of a set."""

from __future__ import annotations

from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import select_faces


def test_selection_limits_faces_per_person_and_in_total(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    assert len(faces) == 10
    assert faces[0].person == "set/person0"
    assert len(select_faces(faces, split="train")) == 8
    assert [f.name for f in select_faces(faces, split="train", per_person=1)] == [
        f"set/person{i}/{2 * i}.png" for i in range(4)
    ]
    assert len(select_faces(faces, split="val", limit=1)) == 1
