"""Folders and files to write, with errors that say what to do."""

from __future__ import annotations

from pathlib import Path

from unmask_sdk.errors import DataError


def make_folder(path: Path, option: str) -> None:
    """Makes a folder, with those above it, or raises `DataError` naming the option to change."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot make the folder {path}: {error.strerror}; choose another {option}"
        ) from None
