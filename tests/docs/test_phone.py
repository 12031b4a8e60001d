"""The code of docs/phone.md runs unchanged, and its results are close to the package's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.faces.align import crop_matrix, warp_crop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "phone.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The names that the page's code defines."""
    pytest.importorskip("ai_edge_litert")
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    defined: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT / "unmask_sdk" / "artifacts")
        exec(block, defined)
    return defined


@pytest.mark.parametrize("name", ["surgical", "cloth", "n95", "dark"])
def test_result_is_close_to_the_package(name: str, names: dict[str, Any]) -> None:
    photo = cv2.imread(str(ROOT / "examples" / f"{name}.jpg"))[..., ::-1].copy()
    with unmask_sdk.load("tflite", "int8") as model:
        result = model(photo)
    (face,) = result.faces
    left, right = face.eyes
    mine = names["unmask"](photo, left, right)
    assert not (mine != photo)[result.generated == 0].any()
    error = (mine.astype(float) - result.image)[result.generated == 255]
    # It adds no grain; the package adds up to 2.0 of 255 (standard deviation) to these photos.
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 41


def test_face_without_mask_is_unchanged(names: dict[str, Any]) -> None:
    photo = cv2.imread(str(ROOT / "examples" / "surgical.jpg"))[..., ::-1].copy()
    with unmask_sdk.load("tflite", "int8") as model:
        result = model(photo)
    left, right = result.faces[0].eyes
    bare = result.image
    assert names["unmask"](bare, left, right) is bare


def test_large_face_is_averaged_not_sampled(names: dict[str, Any]) -> None:
    rows = np.arange(2001) % 2 * 255
    photo = np.repeat(rows.astype(np.uint8), 3).reshape(1, 2001, 3).repeat(1900, 0)
    eyes = (700.5, 800.0), (1180.0, 805.0)
    crop = names["cut"](photo, *eyes)
    expected = warp_crop(photo, crop_matrix(eyes))
    assert np.abs(crop.astype(int) - expected)[30:-30, 30:-30].max() <= 3


def test_crop_matrix_equals_the_package(names: dict[str, Any]) -> None:
    eyes = [(412.5, 300.25), (520.0, 331.5)]
    np.testing.assert_allclose(names["crop_matrix"](*eyes), crop_matrix(eyes), atol=1e-9)
