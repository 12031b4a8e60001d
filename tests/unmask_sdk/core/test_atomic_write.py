"""Atomic writing: the file is complete, or as it was before."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from unmask_sdk.core.atomic_write import PartialFile, atomic_write


@pytest.mark.parametrize("content", [b"new", lambda file: file.write(b"new")])
def test_existing_file_is_replaced(content, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old and longer")
    atomic_write(path, content)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_the_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_partial_file_appears_only_when_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    file = PartialFile(path)
    file.discard()  # Nothing is written yet.
    file.write(b"new")
    assert list(tmp_path.iterdir()) == [file.path]
    file.commit()
    file.discard()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_discarded_partial_file_leaves_nothing(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "a.json")
    file.write(b"new")
    file.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "error"), [("no/a", FileNotFoundError), ("a\0b", ValueError)])
def test_impossible_path_is_an_error(name: str, error: type, tmp_path: Path) -> None:
    with pytest.raises(error):
        atomic_write(tmp_path / name, b"")
    assert list(tmp_path.iterdir()) == []


def test_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    private = tmp_path / "private.jpg"
    private.write_bytes(b"old")
    private.chmod(0o600)
    atomic_write(private, b"new")
    assert private.read_bytes() == b"new"
    assert private.stat().st_mode & 0o777 == 0o600


def test_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("\N{SLIGHTLY SMILING FACE}" * 60 + ".jpg")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
