"""Reading faces, cutting crops, drawing batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.batches import Batches, augment, read_batch
from unmask_sdk.training.datasets.crops import cut_crop
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import largest_yaw_rows, select_faces
from unmask_sdk.training.synthesis.mesh import EARS, NOSE_TIP, mean_face, yaw_ratio


def test_selection_caps_people_and_thins(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    assert len(faces) == 10
    assert faces[0].person == "set/person0"
    assert len(select_faces(faces, split="train")) == 8
    assert [f.name for f in select_faces(faces, split="train", per_person=1)] == [
        f"set/person{i}/{2 * i}.png" for i in range(4)
    ]
    assert len(select_faces(faces, split="val", limit=1)) == 1


def test_landmark_files_are_checked(tmp_path):
    with pytest.raises(DataError, match="no landmark file"):
        read_landmarks(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="not a landmark file"):
        read_landmarks(tmp_path / "bad.npz")
    np.savez(tmp_path / "short.npz", name=np.array(["a"]), landmarks=np.zeros((1, 5, 2)))
    with pytest.raises(DataError, match="468"):
        read_landmarks(tmp_path / "short.npz")


def test_a_face_at_the_rim_is_valid_only_where_there_is_data(astronaut):
    picture, mesh = astronaut
    crop = cut_crop(picture[60:, 150:], mesh - [150, 60], 128)
    rows = crop.valid > 0
    assert not rows[:20].any()
    assert rows[60:100, 40:90].all()
    whole = cut_crop(picture, mesh, 128)
    assert (whole.valid[30:110] == 255).all()
    # What has data is the same whether or not the rest of the picture is there.
    both = rows & (whole.valid > 0)
    difference = np.abs(crop.truth.astype(int) - whole.truth)[both]
    assert difference.mean() < 1


@pytest.mark.parametrize("damage", ["empty", "short", "single", "torn", "folder"])
def test_damaged_landmark_files_are_named(faces_folder, tmp_path, damage):
    path = tmp_path / "l.npz"
    whole = (faces_folder / "landmarks.npz").read_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage == "single":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        torn = bytearray(whole)
        torn[len(whole) // 2] ^= 255
        path.write_bytes({"empty": b"", "short": whole[:5000], "torn": bytes(torn)}[damage])
    with pytest.raises(DataError, match=r"l\.npz is not a landmark file.*or damaged"):
        read_landmarks(path)


def test_pictures_are_read_upright_and_whole(astronaut, tmp_path):
    picture, _ = astronaut
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(np.rot90(picture)).save(path, exif=exif, quality=95)
    assert np.abs(read_image(path).astype(int) - picture).mean() < 5
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match=r"a\.jpg is cut off"):
        read_image(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.jpg is empty"):
        read_image(path)


def test_batches_depend_on_seed_and_step_alone(pack):
    device = torch.device("cpu")
    first = Batches(pack, 4, 1, 0.1, device)
    second = Batches(pack, 4, 1, 0.1, device)
    a = first[7]
    # Whatever else has drawn from the global generator since, as an evaluation may have.
    torch.rand(5)
    b = second[7]
    assert torch.equal(a.masked, b.masked)
    assert a.masked.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(a.mask, b.mask)
    assert not torch.equal(a.truth, first[8].truth)
    assert a.masked.shape == (4, 3, 64, 64)


def test_some_rows_come_more_often_and_none_is_left_out(pack):
    oversampled_rows = np.array([1, 5])
    batches = Batches(
        pack,
        4,
        1,
        0.0,
        torch.device("cpu"),
        oversampled_rows=oversampled_rows,
        oversampled_fraction=0.25,
    )
    drawn = [batches.rows(step) for step in range(40)]
    assert all(len(rows) == 4 for rows in drawn)
    times = np.bincount(np.concatenate(drawn), minlength=len(pack))
    assert times.min() > 0
    # One of each step's four rows is drawn from these two alone.
    assert set(np.argsort(times)[-2:]) == {1, 5}
    assert times[oversampled_rows].sum() >= 40


def test_the_most_turned_heads_are_found(faces_folder):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    points = mean_face().copy()
    points[NOSE_TIP] = points[EARS[1]]
    profile = replace(faces[3], landmarks=points)
    assert yaw_ratio(points) == 1
    assert abs(yaw_ratio(mean_face())) < 0.05
    assert list(largest_yaw_rows([*faces[:3], profile, *faces[4:]])) == [3]


def test_augmentation_keeps_input_and_truth_together(pack):
    batch = read_batch(pack, np.arange(8), 0, torch.device("cpu"))
    out = augment(batch, np.random.default_rng(3), empty_share=0.0)
    # Away from mask, contact shadow and noise the two pictures must still be the same.
    away = torch.nn.functional.max_pool2d(out.mask, 25, 1, 12) == 0
    difference = ((out.masked - out.truth).abs() * away).sum() / (3 * away.sum())
    assert difference < 0.05
    empty = augment(batch, np.random.default_rng(3), empty_share=1.0)
    assert empty.mask.sum() == 0
    assert (empty.masked - empty.truth).abs().mean() < 0.05
