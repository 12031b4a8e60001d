"""Corpora: which faces fill which share of each batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from unmask_sdk.errors import ConfigError, DataError
from unmask_sdk.training.datasets.batches import Batches
from unmask_sdk.training.datasets.corpora import Corpus, choose_faces, faces_per_batch, mix
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.synthesis.mesh import EARS, NOSE_TIP, mean_face, yaw_ratio

DEVICE = torch.device("cpu")


@pytest.fixture
def faces(faces_folder):
    """The eight training faces, of four people, and two of split val."""
    return read_landmarks(faces_folder / "landmarks.npz")


def test_each_batch_holds_the_shares_and_no_face_is_skipped(crop_cache, faces):
    corpora = (
        Corpus(0.5, prefix="set/person0/", sharp=True),
        Corpus(0.5, prefix="set/", per_person=1),
    )
    mixture = mix(faces, crop_cache.names, corpora, 4)
    batches = Batches(crop_cache, 4, 1, 0.0, DEVICE, mixture)
    drawn = [batches.rows(step) for step in range(40)]
    assert all(len(rows) == 4 for rows in drawn)
    times = np.bincount(np.concatenate(drawn), minlength=len(crop_cache))
    first = {k for k, name in enumerate(crop_cache.names) if "person0" in name}
    # The two faces of one person are in each batch, and its first again in its turn; of every
    # other person only the first face is drawn.
    assert sorted(times.tolist()) == [0, 0, 0, 20, 20, 20, 40, 60]
    assert {int(k) for k in np.argsort(times)[-2:]} == first
    assert batches[3].sharp.sum() >= 1
    assert (np.flatnonzero(mixture.sharp) == sorted(first)).all()


def test_no_face_comes_twice_before_all_came_once(crop_cache, faces):
    mixture = mix(faces, crop_cache.names, (Corpus(1.0),), 4)
    batches = Batches(crop_cache, 4, 1, 0.0, DEVICE, mixture)
    for epoch in range(3):
        rows = np.concatenate([batches.rows(2 * epoch), batches.rows(2 * epoch + 1)])
        assert sorted(rows) == list(range(8))
    # The order depends on the seed and the step alone.
    again = Batches(crop_cache, 4, 1, 0.0, DEVICE, mixture)
    assert (again.rows(5) == batches.rows(5)).all()
    assert (Batches(crop_cache, 4, 1, 0.0, DEVICE).rows(5) == batches.rows(5)).all()


def test_batches_keep_their_size_where_a_corpus_is_small(crop_cache, faces):
    corpora = (Corpus(0.75, prefix="set/person0/"), Corpus(0.25))
    batches = Batches(crop_cache, 8, 1, 0.0, DEVICE, mix(faces, crop_cache.names, corpora, 8))
    assert batches.size == 8
    assert len(batches[2].truth) == 8


def test_faces_are_chosen_by_yaw(faces):
    points = mean_face().copy()
    points[NOSE_TIP] = points[EARS[0]]
    assert yaw_ratio(points) == -1
    profile = replace(faces[3], landmarks=points)
    frontal = [replace(face, landmarks=mean_face()) for face in faces]
    some = [*frontal[:3], profile, *frontal[4:]]
    assert Corpus(1.0, min_yaw=0.28).choose(some) == [profile]
    assert len(Corpus(1.0).choose(some)) == 8
    assert len(Corpus(1.0, limit=3).choose(some)) == 3
    assert choose_faces(some, (Corpus(0.5, min_yaw=0.28), Corpus(0.5, "set/person0/"))) == [
        face for face in some if face.name.startswith("set/person0/") or face is profile
    ]


def test_all_faces_are_sharp_if_no_corpus_is(crop_cache, faces):
    mixture = mix(faces, crop_cache.names, (Corpus(1.0),), 4)
    assert mixture.sharp.all()
    assert mix(faces, crop_cache.names, (), 4).sharp.all()


def test_faces_of_a_batch_add_up(faces):
    shares = (0.5, 0.25, 0.15, 0.1)
    corpora = tuple(Corpus(share) for share in shares)
    assert faces_per_batch(corpora, 12) == [6, 3, 2, 1]
    for batch in range(6, 100):
        counts = faces_per_batch(corpora, batch)
        assert sum(counts) == batch
        assert all(abs(n - s * batch) <= 1 for n, s in zip(counts, shares, strict=True))


def test_impossible_corpora_are_refused(crop_cache, faces):
    with pytest.raises(ConfigError, match=r"add up to 1; they add up to 1\.2"):
        faces_per_batch((Corpus(0.7), Corpus(0.5)), 12)
    with pytest.raises(ConfigError, match=r"share 0\.02 of corpus 'a/' is no whole face.* of 12"):
        faces_per_batch((Corpus(0.98), Corpus(0.02, prefix="a/")), 12)
    with pytest.raises(ConfigError, match="share must be"):
        Corpus(1.5)
    with pytest.raises(DataError, match="no training face belongs to the corpus with prefix 'x/'"):
        choose_faces(faces, (Corpus(1.0, prefix="x/"),))
    with pytest.raises(DataError, match=r"prefix 'set/person0/'.* is left; raise limit"):
        mix(faces, crop_cache.names[2:], (Corpus(1.0, prefix="set/person0/"),), 4)
