"""Choosing faces of a set."""

from __future__ import annotations

from dataclasses import replace

from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import largest_yaw_rows, select_faces
from unmask_sdk.training.synthesis.mesh import EARS, NOSE_TIP, mean_face, yaw_ratio


def test_selection_limits_faces_per_person_and_in_total(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    assert len(faces) == 10
    assert faces[0].person == "set/person0"
    assert len(select_faces(faces, split="train")) == 8
    assert [f.name for f in select_faces(faces, split="train", per_person=1)] == [
        f"set/person{i}/{2 * i}.png" for i in range(4)
    ]
    assert len(select_faces(faces, split="val", limit=1)) == 1


def test_the_largest_yaw_is_found(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    points = mean_face().copy()
    points[NOSE_TIP] = points[EARS[1]]
    profile = replace(faces[3], landmarks=points)
    assert yaw_ratio(points) == 1
    assert abs(yaw_ratio(mean_face())) < 0.05
    assert list(largest_yaw_rows([*faces[:3], profile, *faces[4:]])) == [3]
