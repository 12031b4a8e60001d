"""Packs: what is in them, when they are made again, and what they need."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.crop_cache import (
    CropCacheConfig,
    check_disk_space,
    open_crop_cache,
    write_crop_cache,
)
from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks

PLAN = CropCacheConfig(size=64, variants=2, split="train", per_person=None, limit=None)


@pytest.fixture
def folder(faces_folder, tmp_path):
    """A copy of the faces that a test may change."""
    return shutil.copytree(faces_folder, tmp_path / "faces")


def faces_of(folder):
    return read_landmarks(folder / "landmarks.npz")


def test_pack_holds_what_single_crops_hold(faces_folder, pack):
    assert len(pack) == 8
    crop = read_crop(faces_folder, faces_of(faces_folder)[3], 64, jitter=PLAN.jitter)
    assert (pack.truth[3] == crop.truth).all()
    assert (pack.valid[3] == crop.valid).all()
    changed = (pack.masked[0][3] != pack.truth[3]).any(-1)
    assert changed[pack.mask[0][3] == 255].mean() > 0.9
    assert (pack.masked[0][3] != pack.masked[1][3]).any()


def test_a_share_of_the_masks_is_hard_and_the_others_stay_as_they_were(
    faces_folder, tmp_path, pack
):
    faces = faces_of(faces_folder)
    some = open_crop_cache(faces_folder, faces, replace(PLAN, hard_share=0.5), tmp_path / "some")
    every = open_crop_cache(faces_folder, faces, replace(PLAN, hard_share=1.0), tmp_path / "every")
    assert (every.truth[:] == pack.truth[:]).all()
    changed = [
        (some.masked[v][i] != pack.masked[v][i]).any() for v in range(2) for i in range(len(pack))
    ]
    assert 2 < sum(changed) < 14
    for k, is_hard in enumerate(changed):
        variant, index = divmod(k, len(pack))
        expected = every if is_hard else pack
        assert (some.masked[variant][index] == expected.masked[variant][index]).all()


def test_packs_are_reproducible_and_reused(faces_folder, tmp_path, pack):
    faces = faces_of(faces_folder)
    again = open_crop_cache(faces_folder, faces, PLAN, tmp_path, workers=2)
    assert (again.masked[1] == pack.masked[1]).all()
    stored = next(tmp_path.glob("*/pack.json"))
    before = stored.stat().st_mtime_ns
    open_crop_cache(faces_folder, faces, PLAN, tmp_path)
    assert stored.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["index", "no index", "array", "no array"])
def test_damaged_packs_are_made_again(faces_folder, tmp_path, pack, damage):
    faces = faces_of(faces_folder)
    open_crop_cache(faces_folder, faces, PLAN, tmp_path)
    index = next(tmp_path.glob("*/pack.json"))
    array = index.with_name("mask_1.npy")
    if damage == "index":
        index.write_text("{")
    elif damage == "array":
        os.truncate(array, 1000)
    else:
        (index if damage == "no index" else array).unlink()
    again = open_crop_cache(faces_folder, faces, PLAN, tmp_path)
    assert (again.mask[1] == pack.mask[1]).all()


def test_moved_landmarks_make_a_new_pack(folder, tmp_path):
    faces = faces_of(folder)
    before = open_crop_cache(folder, faces, PLAN, tmp_path / "cache").truth.copy()
    with np.load(folder / "landmarks.npz") as stored:
        arrays = dict(stored)
    arrays["landmarks"][0] += 20
    np.savez(folder / "landmarks.npz", **arrays)
    after = open_crop_cache(folder, faces_of(folder), PLAN, tmp_path / "cache").truth
    assert (before[0] != after[0]).any()
    assert (before[1:] == after[1:]).all()


def test_a_changed_picture_makes_a_new_pack(folder, tmp_path):
    faces = faces_of(folder)
    open_crop_cache(folder, faces, PLAN, tmp_path / "cache")
    shutil.copy(folder / faces[1].name, folder / faces[0].name)
    pack = open_crop_cache(folder, faces, PLAN, tmp_path / "cache")
    crop = read_crop(folder, faces[0], 64, jitter=PLAN.jitter)
    assert (pack.truth[0] == crop.truth).all()
    (folder / faces[0].name).unlink()
    with pytest.raises(DataError, match=r"0\.png: No such file.*landmark file"):
        open_crop_cache(folder, faces, PLAN, tmp_path / "cache")


def test_every_byte_of_a_pack_has_its_place_before_it_is_drawn(folder, tmp_path):
    faces = faces_of(folder)[:2]
    (folder / faces[1].name).write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot read an image"):
        write_crop_cache(folder, faces, PLAN, tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "pack.json").exists()
    status = (tmp_path / "out" / "truth.npy").stat()
    if hasattr(os, "posix_fallocate"):
        assert status.st_blocks * 512 >= status.st_size


def test_a_disk_that_cannot_take_a_pack_is_said(folder, tmp_path):
    """Files are limited in size, which fails where a full disk would."""
    resource = pytest.importorskip("resource")
    large = CropCacheConfig(1024, 1, "train", None, None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot reserve \d+.* GB .*--limit.*--run"):
            write_crop_cache(folder, faces_of(folder), large, tmp_path / "out", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_room_is_checked_for_all_packs_before_any(folder, tmp_path):
    faces = faces_of(folder)
    check_disk_space(folder, faces, [PLAN, PLAN], tmp_path)
    huge = CropCacheConfig(2**20, 2, "train", None, None)
    with pytest.raises(DataError, match=r"need \d+\.\d GB .* free; .*--limit"):
        check_disk_space(folder, faces, [PLAN, huge], tmp_path)
    # What is packed already needs nothing more.
    open_crop_cache(folder, faces, PLAN, tmp_path / "packs")
    index = next((tmp_path / "packs").glob("*/pack.json"))
    assert json.loads(index.read_text())["plan"]["version"] == 3
    check_disk_space(folder, faces, [PLAN], tmp_path)
