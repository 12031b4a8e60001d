"""Drawing and augmenting batches."""

from __future__ import annotations

import copy

import numpy as np
import torch

from unmask_sdk.training.datasets import device_crops
from unmask_sdk.training.datasets.batches import Batches, augment, read_batch
from unmask_sdk.training.datasets.device_crops import DeviceCrops


def test_batches_depend_only_on_seed_and_step(crop_cache):
    device = torch.device("cpu")
    first = Batches(crop_cache, 4, 1, 0.1, device)
    second = Batches(crop_cache, 4, 1, 0.1, device)
    a = first[7]
    # The global generator does not matter: an evaluation may have drawn from it.
    torch.rand(5)
    b = second[7]
    assert torch.equal(a.masked, b.masked)
    assert a.masked.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(a.mask, b.mask)
    assert not torch.equal(a.truth, first[8].truth)
    assert a.masked.shape == (4, 3, 64, 64)


def test_batches_from_a_device_memory_equal_those_from_the_disk(crop_cache):
    device = torch.device("cpu")
    from_disk = Batches(crop_cache, 4, 1, 0.1, device)
    from_memory = Batches(DeviceCrops(crop_cache, device), 4, 1, 0.1, device)
    for step in (0, 5):
        for a, b in zip(
            vars(from_disk[step]).values(), vars(from_memory[step]).values(), strict=True
        ):
            assert torch.equal(a, b)


def test_augmentation_changes_input_and_truth_alike(crop_cache):
    batch = read_batch(crop_cache, np.arange(8), 0, torch.device("cpu"))
    out = augment(batch, np.random.default_rng(3), empty_fraction=0.0)
    # Away from mask, contact shadow and noise the two images must still be equal.
    away = torch.nn.functional.max_pool2d(out.mask, 25, 1, 12) == 0
    difference = ((out.masked - out.truth).abs() * away).sum() / (3 * away.sum())
    assert difference < 0.05
    empty = augment(batch, np.random.default_rng(3), empty_fraction=1.0)
    assert empty.mask.sum() == 0
    assert (empty.masked - empty.truth).abs().mean() < 0.05


def test_softened_faces_and_those_of_soft_corpora_are_not_sharp(crop_cache):
    device = torch.device("cpu")
    batch = read_batch(crop_cache, np.arange(8), 0, device)
    assert (batch.sharp == 1).all()
    out = augment(batch, np.random.default_rng(3), empty_fraction=0.0)
    assert out.sharp.shape == (8, 1, 1, 1)

    def detail(x):
        return (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)) / x.std((1, 2, 3))

    softer = detail(out.truth) / detail(batch.truth)
    softened = out.sharp.flatten() == 0
    assert 0 < softened.sum() < 8
    assert softer[softened].max() < 0.9 * softer[~softened].min()
    few = np.arange(8) < 3
    soft = augment(
        read_batch(crop_cache, np.arange(8), 0, device, few), np.random.default_rng(3), 0.0
    )
    assert (soft.sharp[:3] == out.sharp[:3]).all()
    assert (soft.sharp[3:] == 0).all()


def test_bearded_faces_are_bare_more_often(crop_cache):
    cache = copy.copy(crop_cache)
    assert cache.bearded.shape == (8,)
    assert not cache.bearded.any()
    cache.bearded = np.arange(8) >= 4
    device = torch.device("cpu")
    batches = Batches(cache, 8, 1, 0.1, device, bearded_empty_fraction=0.6)
    bare = np.mean(
        [batches[step].mask.amax((1, 2, 3)).numpy() == 0 for step in range(60)], axis=0
    )  # a batch holds all eight faces, in their order
    assert bare[:4].mean() < 0.2
    assert 0.45 < bare[4:].mean() < 0.75
    # It never lowers the fraction of the others.
    assert Batches(cache, 8, 1, 0.3, device).empty_fraction.min() == 0.3


def test_rows_rendered_later_reach_the_memory_of_the_device(crop_cache, monkeypatch):
    monkeypatch.setattr(device_crops, "CHUNK", 3)
    device = torch.device("cpu")
    cache = copy.copy(crop_cache)
    cache.rendered = np.zeros(8, bool)
    memory = DeviceCrops(cache, device)
    batches = Batches(memory, 2, 1, 0.1, device)
    from_disk = Batches(cache, 2, 1, 0.1, device)
    # Few are copied at first, later only with others or the last.
    for rendered, copied in ((2, 2), (4, 2), (5, 5), (7, 5), (8, 8)):
        cache.rendered[:rendered] = True
        batch = batches[rendered]
        assert np.flatnonzero(memory.rendered).tolist() == list(range(copied))
        assert (batches.rows(rendered) < copied).all()
        if copied == rendered:
            assert torch.equal(batch.masked, from_disk[rendered].masked)
    complete = Batches(crop_cache, 2, 1, 0.1, device)
    for step in range(4):
        for a, b in zip(vars(batches[step]).values(), vars(complete[step]).values(), strict=True):
            assert torch.equal(a, b)
