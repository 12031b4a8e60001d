"""Which rows the batches are made of, with all crops and while they are rendered."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.training.datasets.corpora import Mixture, even_mixture
from unmask_sdk.training.datasets.draws import Draws

ALL = np.ones(10, bool)
TWO = Mixture((np.arange(10), np.array([1, 4, 9])), (2, 1), ALL)


def test_the_rows_of_a_seed_and_a_step_never_change():
    """Runs that began with earlier versions go on with the same batches."""
    two = Draws(TWO, seed=7)
    expected = {
        0: [0, 8, 9],
        1: [1, 4, 7],
        2: [1, 3, 6],
        5: [0, 4, 9],
        9: [1, 2, 5],
        100: [1, 8, 9],
    }
    assert {step: two.rows(step, ALL).tolist() for step in expected} == expected
    even = Draws(even_mixture(10, 4), seed=1)
    expected = {0: [0, 4, 7, 8], 1: [1, 2, 5, 9], 2: [2, 4, 6, 7], 7: [4, 5, 6, 9]}
    assert {step: even.rows(step, ALL).tolist() for step in expected} == expected


@pytest.mark.parametrize("step", [0, 3, 1234])
def test_rows_in_the_order_of_their_first_use_are_all_that_the_next_batches_need(step):
    rows = np.random.default_rng(0).permutation(300)
    mixture = Mixture((rows[:250], rows[200:], rows[5:8]), (4, 2, 5), np.ones(300, bool))
    draws = Draws(mixture, seed=3)
    order = draws.first_use(step)
    assert sorted(order) == list(range(300))
    rendered = np.zeros(300, bool)
    complete = np.ones(300, bool)
    needed: set[int] = set()
    for later in range(step, step + 40):
        needed.update(draws.rows(later, complete).tolist())
        # Nothing else has been rendered when the last of them is.
        assert set(order[: len(needed)].tolist()) == needed
        rendered[order[: len(needed)]] = True
        assert (draws.rows(later, rendered) == draws.rows(later, complete)).all()


def test_rendered_rows_stand_in_for_others_of_their_corpus():
    mixture = Mixture((np.arange(60), np.arange(60, 100)), (5, 3), np.ones(100, bool))
    draws = Draws(mixture, seed=0)
    rendered = np.zeros(100, bool)
    rendered[draws.first_use(0)[:24]] = True
    times = np.zeros(100, int)
    complete = np.ones(100, bool)
    for step in range(200):
        rows = draws.rows(step, rendered)
        assert rendered[rows].all()
        assert len(set(rows.tolist())) == 8
        assert (rows < 60).sum() == 5
        assert (rows == draws.rows(step, rendered)).all()
        # Rows that are rendered are drawn in their turn.
        planned = draws.rows(step, complete)
        assert set(planned[rendered[planned]].tolist()) <= set(rows.tolist())
        times[rows] += 1
    drawn = times[rendered]
    assert drawn.min() > 0.5 * drawn.mean()
    assert drawn.max() < 1.5 * drawn.mean()


def test_few_rendered_rows_are_repeated():
    draws = Draws(even_mixture(10, 4), seed=1)
    only = np.arange(10) == 6
    assert draws.rows(0, only).tolist() == [6, 6, 6, 6]
