"""Finding and meshing the faces of a folder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask_sdk.training.datasets.find_faces import find_faces, mesh_folder
from unmask_sdk.training.synthesis.mesh import eye_centers


@pytest.fixture
def people(astronaut, tmp_path):
    """A folder for each of three people, and one image directly in the set; no landmarks."""
    folder = tmp_path / "faces"
    image, _ = astronaut
    for name in ("ann/1.png", "ann/2.jpg", "bob/1.png", "eve/1.png", "flat.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image[..., ::-1])
    return folder


def test_meshed_faces_have_people_and_splits(people, astronaut, mesh_model):
    faces = mesh_folder(people, mesh_model)
    assert [face.person for face in faces] == ["ann", "ann", "bob", "eve", "flat.png"]
    assert {face.split for face in faces} == {"train", "val"}
    assert faces[0].split == faces[1].split
    _, mesh = astronaut
    assert np.abs(eye_centers(faces[0].landmarks) - eye_centers(mesh)).max() < 8


def test_unreadable_images_are_left_out_with_the_reason(people, mesh_model, capsys):
    (people / "ann" / "2.jpg").write_bytes((people / "ann" / "2.jpg").read_bytes()[:30_000])
    (people / "empty.png").touch()
    (people / ".hidden.png").touch()
    cv2.imwrite(str(people / "gray.png"), np.full((300, 300, 3), 90, np.uint8))
    faces = mesh_folder(people, mesh_model)
    assert [face.name for face in faces] == ["ann/1.png", "bob/1.png", "eve/1.png", "flat.png"]
    printed = capsys.readouterr().out
    assert "ann/2.jpg: left out" in printed
    assert "cut off" in printed
    assert "empty.png: left out" in printed
    assert "gray.png: no clear face" in printed
    assert "hidden" not in printed


def test_the_limit_applies_before_meshing_so_that_some_are_held_out(people, mesh_model):
    """Only the last of all five is held out; limiting the meshes would lose it."""
    assert [f.name for f in mesh_folder(people, mesh_model) if f.split == "val"] == ["flat.png"]
    faces = find_faces(people, None, mesh_model, limit=3)
    assert [face.name for face in faces] == ["ann/1.png", "ann/2.jpg", "bob/1.png"]
    assert {face.split for face in faces} == {"train", "val"}
