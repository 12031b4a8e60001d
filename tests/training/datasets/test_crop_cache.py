"""Crop caches: what they contain, when they are rendered again, and the disk space they need."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from unmask_sdk.errors import ConfigError, DataError
from unmask_sdk.training.datasets.crop_cache import (
    CropCache,
    CropCacheConfig,
    check_disk_space,
)
from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.render_cache import open_crop_cache

CONFIG = CropCacheConfig(size=64, variants=2, split="train", per_person=None, limit=None)


@pytest.fixture
def folder(faces_folder, tmp_path):
    """A copy of the faces that a test may change."""
    return shutil.copytree(faces_folder, tmp_path / "faces")


def read_faces(folder):
    return read_landmarks(folder / "landmarks.npz")


def test_cache_contains_the_same_crops_as_read_crop(faces_folder, crop_cache):
    assert len(crop_cache) == 8
    crop = read_crop(faces_folder, read_faces(faces_folder)[3], 64, jitter=CONFIG.jitter)
    assert (crop_cache.truth[3] == crop.truth).all()
    assert (crop_cache.valid[3] == crop.valid).all()
    changed = (crop_cache.masked[0][3] != crop_cache.truth[3]).any(-1)
    assert changed[crop_cache.mask[0][3] == 255].mean() > 0.9
    assert (crop_cache.masked[0][3] != crop_cache.masked[1][3]).any()


def test_caches_of_version_3_have_no_beards_and_are_still_read(faces_folder, tmp_path):
    open_crop_cache(faces_folder, read_faces(faces_folder), CONFIG, tmp_path)
    folder = next(tmp_path.iterdir())
    assert not CropCache(folder).bearded.any()
    np.save(folder / "bearded.npy", np.arange(8) == 5)
    assert CropCache(folder).bearded[5]
    (folder / "bearded.npy").unlink()
    assert not CropCache(folder).bearded.any()


def test_hard_share_replaces_some_masks_and_keeps_the_others(faces_folder, tmp_path, crop_cache):
    faces = read_faces(faces_folder)
    some = open_crop_cache(faces_folder, faces, replace(CONFIG, hard_share=0.5), tmp_path / "some")
    every = open_crop_cache(
        faces_folder, faces, replace(CONFIG, hard_share=1.0), tmp_path / "every"
    )
    assert (every.truth[:] == crop_cache.truth[:]).all()
    changed = [
        (some.masked[v][i] != crop_cache.masked[v][i]).any()
        for v in range(2)
        for i in range(len(crop_cache))
    ]
    assert 2 < sum(changed) < 14
    for k, is_hard in enumerate(changed):
        variant, index = divmod(k, len(crop_cache))
        expected = every if is_hard else crop_cache
        assert (some.masked[variant][index] == expected.masked[variant][index]).all()


def test_some_backgrounds_are_exchanged_under_the_mask_too(
    faces_folder, tmp_path, crop_cache, selfie_model
):
    faces = read_faces(faces_folder)
    config = replace(CONFIG, background_share=0.6)
    some = open_crop_cache(faces_folder, faces, config, tmp_path, selfie_model=selfie_model)
    changed = [(a != b).any() for a, b in zip(some.truth, crop_cache.truth, strict=True)]
    assert 0 < sum(changed) < 8
    for k in np.flatnonzero(changed):
        new, old = (cache.truth[k].astype(int) for cache in (some, crop_cache))
        assert (np.abs(new - old).max(-1) > 20).mean() > 0.02
        assert np.abs(new[26:34, 28:36] - old[26:34, 28:36]).max() <= 2  # bridge of the nose
        for variant in range(2):
            away = cv2.dilate(some.mask[variant][k], np.ones((25, 25))) == 0
            assert (some.masked[variant][k][away] == some.truth[k][away]).all()
    again = open_crop_cache(
        faces_folder, faces, config, tmp_path / "2", workers=2, selfie_model=selfie_model
    )
    assert (again.truth[:] == some.truth[:]).all()
    with pytest.raises(ConfigError, match="no selfie segmentation model"):
        open_crop_cache(faces_folder, faces, config, tmp_path / "3")
    with pytest.raises(DataError, match=r"no selfie segmentation model at .*pip download"):
        open_crop_cache(
            faces_folder, faces, config, tmp_path / "3", selfie_model=tmp_path / "none.tflite"
        )
    assert not (tmp_path / "3").exists()


def test_caches_are_reproducible_and_reused(faces_folder, tmp_path, crop_cache):
    faces = read_faces(faces_folder)
    again = open_crop_cache(faces_folder, faces, CONFIG, tmp_path, workers=2)
    assert (again.masked[1] == crop_cache.masked[1]).all()
    stored = next(tmp_path.glob("*/pack.json"))
    before = stored.stat().st_mtime_ns
    open_crop_cache(faces_folder, faces, CONFIG, tmp_path)
    assert stored.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["index", "no index", "array", "no array"])
def test_damaged_caches_are_rendered_again(faces_folder, tmp_path, crop_cache, damage):
    faces = read_faces(faces_folder)
    open_crop_cache(faces_folder, faces, CONFIG, tmp_path)
    index = next(tmp_path.glob("*/pack.json"))
    array = index.with_name("mask_1.npy")
    if damage == "index":
        index.write_text("{")
    elif damage == "array":
        os.truncate(array, 1000)
    else:
        (index if damage == "no index" else array).unlink()
    again = open_crop_cache(faces_folder, faces, CONFIG, tmp_path)
    assert (again.mask[1] == crop_cache.mask[1]).all()


def test_changed_landmarks_render_a_new_cache(folder, tmp_path):
    faces = read_faces(folder)
    before = open_crop_cache(folder, faces, CONFIG, tmp_path / "cache").truth.copy()
    with np.load(folder / "landmarks.npz") as stored:
        arrays = dict(stored)
    arrays["landmarks"][0] += 20
    np.savez(folder / "landmarks.npz", **arrays)
    after = open_crop_cache(folder, read_faces(folder), CONFIG, tmp_path / "cache").truth
    assert (before[0] != after[0]).any()
    assert (before[1:] == after[1:]).all()


def test_a_changed_image_renders_a_new_cache(folder, tmp_path):
    faces = read_faces(folder)
    open_crop_cache(folder, faces, CONFIG, tmp_path / "cache")
    shutil.copy(folder / faces[1].name, folder / faces[0].name)
    crop_cache = open_crop_cache(folder, faces, CONFIG, tmp_path / "cache")
    crop = read_crop(folder, faces[0], 64, jitter=CONFIG.jitter)
    assert (crop_cache.truth[0] == crop.truth).all()
    (folder / faces[0].name).unlink()
    with pytest.raises(DataError, match=r"0\.png: No such file.*landmark file"):
        open_crop_cache(folder, faces, CONFIG, tmp_path / "cache")


def test_disk_space_is_allocated_before_rendering(folder, tmp_path):
    faces = read_faces(folder)[:2]
    (folder / faces[1].name).write_bytes(b"not an image")
    with pytest.raises(DataError, match="cannot read an image"):
        open_crop_cache(folder, faces, CONFIG, tmp_path)
    out = CONFIG.folder(tmp_path, len(faces))
    assert not (out / "pack.json").exists()
    status = (out / "truth.npy").stat()
    if hasattr(os, "posix_fallocate"):
        assert status.st_blocks * 512 >= status.st_size


def test_a_full_disk_is_reported(folder, tmp_path):
    """A limit on file sizes fails in the same place as a full disk."""
    resource = pytest.importorskip("resource")
    faces, large = read_faces(folder), CropCacheConfig(1024, 1, "train", None, None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot reserve \d+.* GB .*--limit.*--run"):
            open_crop_cache(folder, faces, large, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(large.folder(tmp_path, len(large.choose(faces))).iterdir()) == []


def test_disk_space_is_checked_for_all_caches_together(folder, tmp_path):
    faces = read_faces(folder)
    check_disk_space(folder, [(faces, CONFIG), (faces, CONFIG)], tmp_path)
    huge = CropCacheConfig(2**20, 2, "train", None, None)
    with pytest.raises(DataError, match=r"need \d+\.\d GB .* free; .*--limit"):
        check_disk_space(folder, [(faces, CONFIG), (faces, huge)], tmp_path)
    # A cache that is already rendered needs no more space.
    open_crop_cache(folder, faces, CONFIG, tmp_path / "packs")
    index = next((tmp_path / "packs").glob("*/pack.json"))
    assert json.loads(index.read_text())["plan"]["version"] == 7
    check_disk_space(folder, [(faces, CONFIG)], tmp_path)
