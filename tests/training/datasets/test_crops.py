"""Cutting canonical crops."""

from __future__ import annotations

import numpy as np

from unmask_sdk.training.datasets.crops import cut_crop


def test_a_face_at_the_border_is_valid_only_where_there_is_data(astronaut):
    image, mesh = astronaut
    crop = cut_crop(image[60:, 150:], mesh - [150, 60], 128)
    rows = crop.valid > 0
    assert not rows[:20].any()
    assert rows[60:100, 40:90].all()
    complete = cut_crop(image, mesh, 128)
    assert (complete.valid[30:110] == 255).all()
    # Where there is data, the crop does not depend on the rest of the image.
    both = rows & (complete.valid > 0)
    difference = np.abs(crop.truth.astype(int) - complete.truth)[both]
    assert difference.mean() < 1
