"""`unmask synth`: options, names and files of a Masked-Faces set."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from unmask_sdk.errors import DataError, InvalidInputError
from unmask_sdk.training.datasets.find_faces import find_faces, mesh_folder
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.synth_set import unique_stems, write_synth_set


@pytest.fixture
def people(astronaut, tmp_path):
    """A folder for each of three people, and one image directly in the set; no landmarks."""
    folder = tmp_path / "faces"
    image, _ = astronaut
    for name in ("ann/1.png", "ann/2.jpg", "bob/1.png", "eve/1.png", "flat.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image[..., ::-1])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("out", ["masked", ".."])
def test_a_second_run_does_not_mesh_the_output_of_the_first(people, mesh_model, out):
    out = people / out
    for _ in range(2):
        faces = find_faces(people, None, mesh_model, skip=out)
        assert len(faces) == 5
        assert write_synth_set(people, faces, out, size=64) == 5
    assert len(find_faces(people, None, mesh_model, skip=out)) == 5


def test_written_landmarks_are_read_back(people, mesh_model, tmp_path):
    faces = mesh_folder(people, mesh_model)
    write_synth_set(people, faces, tmp_path / "out", size=64)
    again = read_landmarks(tmp_path / "out" / "landmarks.npz")
    for one, other in zip(faces, again, strict=True):
        assert (one.name, one.split, one.person) == (other.name, other.split, other.person)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)


def test_images_with_similar_names_do_not_overwrite_each_other(astronaut, tmp_path):
    names = ["a__b.png", "a/b.png", "sub/x.jpg", "sub/x.png", "sub/X.png"]
    assert unique_stems(names) == ["a__b", "a__b_2", "sub__x", "sub__x_2", "sub__X_3"]
    folder, out = tmp_path / "faces", tmp_path / "out"
    image, mesh = astronaut
    names = names[:4]
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full_like(image, 50 * index))
    np.savez(folder / "landmarks.npz", name=names, landmarks=np.stack([mesh] * 4))
    write_synth_set(folder, find_faces(folder, None, None), out, size=64, variants=2)
    records = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert [r["source"] for r in records] == [n for n in names for _ in range(2)]
    for record in records:
        gray = cv2.imread(str(out / record["truth"])).mean()
        assert gray == pytest.approx(50 * names.index(record["source"]), abs=3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 20_000}, "size must be from 32 to 2048; got 20000"),
        ({"size": 31}, "size"),
        ({"variants": 0}, "variants"),
        ({"kinds": ()}, "mask types are"),
    ],
)
def test_invalid_options_are_refused_before_any_work(faces_folder, tmp_path, options, expected):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    with pytest.raises(InvalidInputError, match=expected):
        write_synth_set(faces_folder, faces, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_unusable_output_folders_are_refused(faces_folder, tmp_path):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    with pytest.raises(InvalidInputError, match="another folder"):
        write_synth_set(faces_folder, faces, faces_folder / "set" / "..", size=64)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"--out .*is a file.*choose another folder"):
        write_synth_set(faces_folder, faces, tmp_path / "file", size=64)


def test_a_failed_run_leaves_no_partial_files(people, mesh_model, tmp_path):
    faces = mesh_folder(people, mesh_model)
    (people / "eve" / "1.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match="cannot read an image"):
        write_synth_set(people, faces, tmp_path / "out", size=64)
    left = [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert "pairs.jsonl" not in left
    assert not [name for name in left if "tmp" in name]


def test_the_sheet_of_large_crops_is_small(faces_folder, tmp_path):
    faces = read_landmarks(faces_folder / "landmarks.npz")[:2]
    write_synth_set(faces_folder, faces, tmp_path, size=700, kinds=("dark",))
    assert cv2.imread(str(tmp_path / "truth" / "set__person0__0.png")).shape == (700, 700, 3)
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == (256, 512, 3)
