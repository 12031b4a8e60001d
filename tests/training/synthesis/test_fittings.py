"""Valves, logos and printed mouths: on the cloth, reproducible, and on hard masks alone."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.training.synthesis.fittings import fittings
from unmask_sdk.training.synthesis.hard_masks import harden_shape
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES, draw_shape

Y, X = np.mgrid[90:240, 50:206].astype(np.float32)


@pytest.mark.parametrize("kind", MASK_TYPES)
def test_layers_are_coverages_with_colors_on_the_front(kind):
    shape = draw_shape(kind, np.random.default_rng(0))
    drawn = 0
    for seed in range(40):
        layers = fittings(shape, X, Y, np.random.default_rng(seed))
        again = fittings(shape, X, Y, np.random.default_rng(seed))
        drawn += bool(layers)
        for (cover, ink), (cover_again, _) in zip(layers, again, strict=True):
            assert cover.shape == X.shape
            assert cover.min() >= 0
            assert cover.max() <= 1
            assert cover[0].max() == 0  # not on the eyes
            assert (cover == cover_again).all()
            assert ink.shape == (3,)
            assert (ink >= 0).all()
            assert (ink <= 1).all()
    assert 1 <= drawn < 40


def test_some_hard_masks_are_tied_round_the_head():
    reach = []
    for seed in range(40):
        shape = draw_shape("surgical", np.random.default_rng(seed))
        hard = harden_shape(shape, np.random.default_rng(seed))
        if len(hard.straps) == 4:
            reach.append(min(strap[:, 1].min() for strap in hard.straps))
    assert min(reach) < 85  # over the temples
