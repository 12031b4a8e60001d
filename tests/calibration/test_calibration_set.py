"""Calibration sets on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.calibration import calibration_set as images_module
from unmask_sdk.calibration.calibration_set import (
    CalibrationSet,
    digest_of,
    pack_images,
    read_images,
)
from unmask_sdk.errors import DataError


def test_packaged_set_is_small_and_varied() -> None:
    packaged = read_images()
    assert packaged.images.shape == (48, 256, 256, 3)
    assert packaged.images.dtype == np.uint8
    assert packaged.sha256 == digest_of(packaged.images) == read_images().sha256
    assert packaged.plan is None
    assert np.ptp(packaged.images.mean((1, 2, 3))) > 60
    assert packaged.at(64).shape == (48, 64, 64, 3)
    assert packaged.at(256) is packaged.images


def test_set_reads_back_with_little_loss(tmp_path: Path) -> None:
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
def test_invalid_sets_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "set.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz .*unmask calibrate FACES -o FILE"):
        read_images(file)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", crop_0000=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="is not a calibration set"):
        read_images(tmp_path / "set.npz")


def test_missing_set_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such file .*unmask calibrate"):
        read_images(tmp_path / "none.npz")


def test_a_set_is_decoded_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    monkeypatch.setattr(images_module, "read_images", decoded.append)
    shared = CalibrationSet()
    assert decoded == []
    assert shared.load() is shared.load()
    assert decoded == [None]
