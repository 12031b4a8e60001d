"""Calibration sets on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.calibration.images import digest_of, pack_images, read_images
from unmask_sdk.errors import DataError


def test_the_shipped_set_is_small_and_varied() -> None:
    shipped = read_images()
    assert shipped.images.shape == (48, 256, 256, 3)
    assert shipped.images.dtype == np.uint8
    assert shipped.sha256 == digest_of(shipped.images) == read_images().sha256
    assert shipped.plan is None
    assert np.ptp(shipped.images.mean((1, 2, 3))) > 60
    assert shipped.at(64).shape == (48, 64, 64, 3)
    assert shipped.at(256) is shipped.images


def test_a_set_comes_back_nearly_as_it_went(tmp_path: Path) -> None:
    images = read_images().images[:2]
    file = tmp_path / "set.npz"
    file.write_bytes(pack_images(images, "a plan"))
    found = read_images(file)
    assert found.plan == "a plan"
    error = found.images.astype(float) - images
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 38
    assert pack_images(images) == pack_images(images)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 torn off",
        pytest.param(pack_images([]), id="none"),
        pytest.param(pack_images([np.zeros((64, 64, 3), np.uint8)]), id="small"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "set.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz .*unmask calibrate FACES -o FILE"):
        read_images(file)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", crop_0000=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="is not a calibration set"):
        read_images(tmp_path / "set.npz")


def test_a_missing_set_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such file .*unmask calibrate"):
        read_images(tmp_path / "none.npz")
