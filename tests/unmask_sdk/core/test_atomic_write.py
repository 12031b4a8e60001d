"""A file is there whole, or as it was before."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from unmask_sdk.core.atomic_write import atomic_write


@pytest.mark.parametrize("content", [b"new", lambda file: file.write(b"new")])
def test_what_was_there_is_replaced(content, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old and longer")
    atomic_write(path, content)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "error"), [("no/a", FileNotFoundError), ("a\0b", ValueError)])
def test_what_cannot_be_written_says_so(name: str, error: type, tmp_path: Path) -> None:
    with pytest.raises(error):
        atomic_write(tmp_path / name, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    private = tmp_path / "private.jpg"
    private.write_bytes(b"old")
    private.chmod(0o600)
    atomic_write(private, b"new")
    assert private.read_bytes() == b"new"
    assert private.stat().st_mode & 0o777 == 0o600


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("\N{SLIGHTLY SMILING FACE}" * 60 + ".jpg")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
