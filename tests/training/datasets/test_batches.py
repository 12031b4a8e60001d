"""Drawing and augmenting batches."""

from __future__ import annotations

import numpy as np
import torch

from unmask_sdk.training.datasets.batches import Batches, augment, read_batch


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


def test_oversampled_rows_are_drawn_more_often_and_no_row_is_skipped(crop_cache):
    oversampled_rows = np.array([1, 5])
    batches = Batches(
        crop_cache,
        4,
        1,
        0.0,
        torch.device("cpu"),
        oversampled_rows=oversampled_rows,
        oversampled_fraction=0.25,
    )
    drawn = [batches.rows(step) for step in range(40)]
    assert all(len(step_rows) == 4 for step_rows in drawn)
    times = np.bincount(np.concatenate(drawn), minlength=len(crop_cache))
    assert times.min() > 0
    # One of the four rows of each step is drawn from these two alone.
    assert set(np.argsort(times)[-2:]) == {1, 5}
    assert times[oversampled_rows].sum() >= 40


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
