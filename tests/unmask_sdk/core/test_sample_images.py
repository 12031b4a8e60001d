"""Drawn pictures: the same from the same seed, of any size."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.core.sample_images import draw_masked_faces


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (256, 256)])
def test_shape_and_determinism(height: int, width: int) -> None:
    pictures = draw_masked_faces(3, height, width, seed=4)
    assert pictures.shape == (3, height, width, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures[:2], draw_masked_faces(2, height, width, seed=4))
    assert (pictures != draw_masked_faces(3, height, width, seed=5)).any()
    assert (pictures[0] != pictures[1]).any()


def test_none_at_all() -> None:
    assert draw_masked_faces(0, 32, 32).shape == (0, 32, 32, 3)
