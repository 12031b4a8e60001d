"""The sheet of noise: white before it is split, of strength 1, tileable, and always the same."""

from __future__ import annotations

import zlib

import numpy as np

from unmask_sdk.compositing.noise_sheet import BANDS, SHEET, noise_sheets, split_bands, white_noise

WHITE = white_noise((BANDS, SHEET, SHEET, 3))


def test_white_noise_is_normal():
    assert abs(WHITE.mean()) < 0.005
    assert abs(WHITE.std() - 1) < 0.005
    # The kurtosis of a sum of twelve; of such sums 0.2 % exceed 3, of normal values 0.27 %.
    assert abs((WHITE.astype(np.float64) ** 4).mean() - 2.9) < 0.03
    assert 0.0017 < (np.abs(WHITE) > 3).mean() < 0.0023


def test_white_noise_is_white():
    """Neighbors, channels and bands are unrelated, and no frequency stands out."""
    planes = np.moveaxis(WHITE, -1, 1).reshape(BANDS * 3, -1).astype(np.float64)
    related = planes @ planes.T / planes.shape[1]
    # Five standard deviations of what chance gives.
    chance = 5 / SHEET
    assert np.abs(related - np.diag(related.diagonal())).max() < chance
    for plane in planes.reshape(-1, SHEET, SHEET):
        power = np.abs(np.fft.fft2(plane)) ** 2 / plane.size
        # The most of 65,536 exponential values is about 11; 25 is a pattern.
        assert power.max() < 25
        quarters = power[: SHEET // 2, : SHEET // 2].reshape(4, 32, 4, 32).mean((1, 3))
        assert np.abs(quarters - 1).max() < 0.2


def test_sheets_have_strength_1_and_tile():
    sheets = noise_sheets()
    assert sheets.shape == (3, BANDS, SHEET, SHEET)
    np.testing.assert_allclose(sheets.std((2, 3)), 1, atol=1e-5)
    # Across the seam neighbors differ as much as inside.
    for sheet in sheets.reshape(-1, SHEET, SHEET):
        seam = np.abs(sheet[:, 0] - sheet[:, -1]).mean()
        inside = np.abs(np.diff(sheet)).mean()
        assert 0.75 < seam / inside < 1.35


def test_bands_add_up():
    image = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)
    bands = split_bands(image)
    # What is left is smooth.
    rest = image - sum(bands)
    assert rest.std() < 0.15
    assert bands[0].std() > bands[1].std() > bands[2].std()


def test_values_never_change():
    """The package for the web has the same; a photo must get the same grain in later versions."""
    assert zlib.crc32(WHITE.astype("<f4").tobytes()) == 0xD523085D
