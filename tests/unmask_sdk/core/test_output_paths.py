"""Output paths that cannot be written are refused, and checks create nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unmask_sdk.core.output_paths import check_writable_file, check_writable_folder, make_folder
from unmask_sdk.errors import InvalidInputError


def test_writable_folder_passes_and_is_not_created(tmp_path: Path) -> None:
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
def test_impossible_folder_is_refused(
    tmp_path: Path, name: str, words: str, function: Callable[[Path, str], None]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=f"--run .*{words}.*choose another folder"):
        function(tmp_path / name, "--run")


def test_impossible_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "new", "new/deep"):
        check_writable_file(tmp_path / name, "--out")
    with pytest.raises(InvalidInputError, match="is a folder; name a file"):
        check_writable_file(tmp_path, "--out")
    with pytest.raises(InvalidInputError, match="is a file, not a folder"):
        check_writable_file(tmp_path / "file" / "new", "--out")
    assert os.listdir(tmp_path) == ["file"]


def test_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()


def test_failure_to_create_a_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(InvalidInputError, match=r"--out .*No space left.*choose another"):
        make_folder(tmp_path / "a", "--out")
