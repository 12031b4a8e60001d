"""Folders that could not be written to are refused, and none is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unmask_sdk.errors import InvalidInputError
from unmask_sdk.folders import check_writable


def test_what_can_be_made_passes_and_is_not_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new", tmp_path / "new" / "deep"):
        check_writable(folder, "--out")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "is a file, not a folder"),
        ("file/deep/er", "is a file, not a folder"),
        ("x" * 300, "too long"),
    ],
)
def test_what_cannot_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=f"--run .*{words}.*choose another folder"):
        check_writable(tmp_path / name, "--run")
