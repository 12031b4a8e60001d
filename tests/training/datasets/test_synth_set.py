"""`unmask synth` and what leads to it: finding faces, meshing them, naming and writing files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from unmask_sdk.errors import DataError, ImageWriteError, InvalidInputError
from unmask_sdk.training.datasets.find_faces import find_faces, mesh_folder
from unmask_sdk.training.datasets.image_files import write_image
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.synth_set import unique_stems, write_synth_set
from unmask_sdk.training.synthesis.mesh import eye_centers


@pytest.fixture
def people(astronaut, tmp_path):
    """A folder for each of three persons, and one flat picture; no landmarks."""
    folder = tmp_path / "faces"
    picture, _ = astronaut
    for name in ("ann/1.png", "ann/2.jpg", "bob/1.png", "eve/1.png", "flat.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    return folder


def test_meshing_tells_people_apart_and_holds_some_out(people, astronaut, mesh_model):
    faces = mesh_folder(people, mesh_model)
    assert [face.person for face in faces] == ["ann", "ann", "bob", "eve", "flat.png"]
    assert {face.split for face in faces} == {"train", "val"}
    assert faces[0].split == faces[1].split
    _, mesh = astronaut
    assert np.abs(eye_centers(faces[0].landmarks) - eye_centers(mesh)).max() < 8


def test_what_cannot_be_read_is_left_out_with_the_reason(people, mesh_model, capsys):
    (people / "ann" / "2.jpg").write_bytes((people / "ann" / "2.jpg").read_bytes()[:30_000])
    (people / "empty.png").touch()
    (people / ".hidden.png").touch()
    cv2.imwrite(str(people / "grey.png"), np.full((300, 300, 3), 90, np.uint8))
    faces = mesh_folder(people, mesh_model)
    assert [face.name for face in faces] == ["ann/1.png", "bob/1.png", "eve/1.png", "flat.png"]
    said = capsys.readouterr().out
    assert "ann/2.jpg: left out" in said
    assert "cut off" in said
    assert "empty.png: left out" in said
    assert "grey.png: no clear face" in said
    assert "hidden" not in said


def test_a_limit_goes_before_meshing_so_that_some_are_held_out(people, mesh_model):
    """Of all five only the last is held out, which a cut of the meshes would lose."""
    assert [f.name for f in mesh_folder(people, mesh_model) if f.split == "val"] == ["flat.png"]
    faces = find_faces(people, None, mesh_model, limit=3)
    assert [face.name for face in faces] == ["ann/1.png", "ann/2.jpg", "bob/1.png"]
    assert {face.split for face in faces} == {"train", "val"}


@pytest.mark.parametrize("out", ["masked", ".."])
def test_a_second_run_does_not_mesh_what_the_first_wrote(people, mesh_model, out):
    out = people / out
    for _ in range(2):
        faces = find_faces(people, None, mesh_model, skip=out)
        assert len(faces) == 5
        assert write_synth_set(people, faces, out, size=64) == 5
    assert len(find_faces(people, None, mesh_model, skip=out)) == 5


def test_landmarks_written_are_landmarks_read(people, mesh_model, tmp_path):
    faces = mesh_folder(people, mesh_model)
    write_synth_set(people, faces, tmp_path / "out", size=64)
    again = read_landmarks(tmp_path / "out" / "landmarks.npz")
    for one, other in zip(faces, again, strict=True):
        assert (one.name, one.split, one.person) == (other.name, other.split, other.person)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)


def test_pictures_alike_in_name_do_not_write_over_each_other(astronaut, tmp_path):
    names = ["a__b.png", "a/b.png", "sub/x.jpg", "sub/x.png", "sub/X.png"]
    assert unique_stems(names) == ["a__b", "a__b_2", "sub__x", "sub__x_2", "sub__X_3"]
    folder, out = tmp_path / "faces", tmp_path / "out"
    picture, mesh = astronaut
    names = names[:4]
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full_like(picture, 50 * index))
    np.savez(folder / "landmarks.npz", name=names, landmarks=np.stack([mesh] * 4))
    write_synth_set(folder, find_faces(folder, None, None), out, size=64, variants=2)
    records = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert [r["source"] for r in records] == [n for n in names for _ in range(2)]
    for record in records:
        grey = cv2.imread(str(out / record["truth"])).mean()
        assert grey == pytest.approx(50 * names.index(record["source"]), abs=3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 20_000}, "size must be from 32 to 2048; got 20000"),
        ({"size": 31}, "size"),
        ({"variants": 0}, "variants"),
        ({"kinds": ()}, "mask types are"),
    ],
)
def test_impossible_options_are_refused_before_any_work(faces_folder, tmp_path, options, expected):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    with pytest.raises(InvalidInputError, match=expected):
        write_synth_set(faces_folder, faces, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_impossible_places_are_refused(faces_folder, tmp_path):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    with pytest.raises(InvalidInputError, match="another folder"):
        write_synth_set(faces_folder, faces, faces_folder / "set" / "..", size=64)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"--out .*is a file.*choose another folder"):
        write_synth_set(faces_folder, faces, tmp_path / "file", size=64)


def test_a_run_that_fails_leaves_nothing_half_written(people, mesh_model, tmp_path):
    faces = mesh_folder(people, mesh_model)
    (people / "eve" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot read an image"):
        write_synth_set(people, faces, tmp_path / "out", size=64)
    left = [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert "pairs.jsonl" not in left
    assert not [name for name in left if "tmp" in name]


def test_large_crops_have_a_small_sheet(faces_folder, tmp_path):
    faces = read_landmarks(faces_folder / "landmarks.npz")[:2]
    write_synth_set(faces_folder, faces, tmp_path, size=700, kinds=("dark",))
    assert cv2.imread(str(tmp_path / "truth" / "set__person0__0.png")).shape == (700, 700, 3)
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == (256, 512, 3)


def test_pictures_that_cannot_be_written_are_said(tmp_path):
    with pytest.raises(ImageWriteError, match="70000x2"):
        write_image(tmp_path / "wide.jpg", np.zeros((2, 70_000, 3), np.uint8))
    with pytest.raises(ImageWriteError, match=r"or no such format"):
        write_image(tmp_path / "a.xyz", np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(ImageWriteError, match="cannot write"):
        write_image(tmp_path / "taken.png", np.zeros((2, 2), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]
