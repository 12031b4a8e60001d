"""Prints and hems of hard masks: on the cloth, in range, reproducible."""

from __future__ import annotations

import numpy as np

from unmask_sdk.training.synthesis.hard_masks import hem, loud_prints, picture_print

V, U = np.mgrid[100:230, 60:196].astype(np.float32)
INSIDE = np.minimum.reduce([U - 60, 195 - U, V - 100, 229 - V])


def check_layers(draw, seeds: int = 80) -> list[int]:
    """Checks the layers that `draw(rng)` returns for many seeds, and returns their numbers."""
    counts = []
    for seed in range(seeds):
        layers = draw(np.random.default_rng(seed))
        for cover, color in layers:
            assert cover.shape == U.shape
            assert cover.dtype == np.float32
            assert 0 <= cover.min() <= cover.max() <= 1
            assert color.shape == (3,)
            assert ((color >= 0) & (color <= 1)).all()
        for (a, _), (b, _) in zip(layers, draw(np.random.default_rng(seed)), strict=True):
            assert (a == b).all()
        counts.append(len(layers))
    return counts


def test_loud_prints_are_layers_with_colors():
    counts = check_layers(lambda rng: loud_prints(U, V, 0.5, rng))
    assert 0 in counts
    assert max(counts) >= 3


def test_a_hem_follows_the_edge():
    counts = check_layers(lambda rng: hem(INSIDE, V, 0.5, rng))
    assert set(counts) == {0, 1}
    only_top = 0
    for seed in range(80):
        for cover, _ in hem(INSIDE, V, 0.5, np.random.default_rng(seed)):
            assert cover[1, 60] == 1  # near the upper edge
            assert cover[65, 68] == 0  # in the middle
            only_top += cover[-2, 60] == 0
    assert only_top > 0


def test_a_printed_picture_shows_the_photo_in_other_colors():
    photo = np.zeros((120, 120, 3), np.uint8)
    photo[:, ::8] = (255, 40, 0)
    drawn = [picture_print(U, V, photo, np.random.default_rng(seed)) for seed in range(120)]
    printed = [cloth for cloth in drawn if cloth is not None]
    assert 6 <= len(printed) <= 36
    for cloth in printed:
        assert cloth.shape == (*U.shape, 3)
        assert cloth.dtype == np.float32
        assert cloth.min() >= 0.03
        assert cloth.max() <= 0.97
    assert max(float(cloth.std()) for cloth in printed) > 0.1
