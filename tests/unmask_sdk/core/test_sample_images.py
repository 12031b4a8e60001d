"""Synthetic images: the same for the same seed, in any size."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.core.sample_images import draw_masked_faces


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (256, 256)])
def test_shape_and_determinism(height: int, width: int) -> None:
    images = draw_masked_faces(3, height, width, seed=4)
    assert images.shape == (3, height, width, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[:2], draw_masked_faces(2, height, width, seed=4))
    assert (images != draw_masked_faces(3, height, width, seed=5)).any()
    assert (images[0] != images[1]).any()


def test_count_of_zero() -> None:
    assert draw_masked_faces(0, 32, 32).shape == (0, 32, 32, 3)
