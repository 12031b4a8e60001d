"""Folders that could not be written to are refused, and none is made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unmask_sdk.core.output_paths import check_writable_file, check_writable_folder, make_folder
from unmask_sdk.errors import InvalidInputError


def test_what_can_be_made_passes_and_is_not_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new", tmp_path / "new" / "deep"):
        check_writable_folder(folder, "--out")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "is a file, not a folder"),
        ("file/deep/er", "is a file, not a folder"),
        ("x" * 300, "too long"),
    ],
)
@pytest.mark.parametrize("function", [check_writable_folder, make_folder])
def test_what_cannot_is_refused(
    tmp_path: Path, name: str, words: str, function: Callable[[Path, str], None]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=f"--run .*{words}.*choose another folder"):
        function(tmp_path / name, "--run")


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "new", "new/deep"):
        check_writable_file(tmp_path / name, "--out")
    with pytest.raises(InvalidInputError, match="is a folder; name a file"):
        check_writable_file(tmp_path, "--out")
    with pytest.raises(InvalidInputError, match="is a file, not a folder"):
        check_writable_file(tmp_path / "file" / "new", "--out")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_fails_in_the_making_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(InvalidInputError, match=r"--out .*No space left.*choose another"):
        make_folder(tmp_path / "a", "--out")
