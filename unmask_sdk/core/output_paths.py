"""Checks that output paths can be written, before any work is done; creates output folders."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unmask_sdk.errors import InvalidInputError


def check_writable_folder(folder: Path, option: str) -> None:
    """Checks that a folder can be written to, or created. Creates nothing.

    Args:
        folder: The folder, which may not exist yet.
        option: The option that named it, such as `--out`, for the error message.

    Raises:
        InvalidInputError: If the folder, or its nearest existing parent, is a file or cannot be
            written to.
    """
    for place in (folder, *folder.parents):
        try:
            mode = os.stat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue  # Its parent is checked next.
        except OSError as error:
            raise InvalidInputError(
                f"{option} {folder}: {error.strerror}; choose another folder"
            ) from error
        if not stat.S_ISDIR(mode):
            raise InvalidInputError(
                f"{option} {folder}: {place} is a file, not a folder; choose another folder"
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise InvalidInputError(
                f"{option} {folder}: {place} is not writable; choose another folder"
            )
        return


def check_writable_file(path: Path, option: str) -> None:
    """Checks that a file can be written, or created. Creates nothing.

    Args:
        path: The file, which may not exist yet.
        option: The option that named it, such as `--out`, for the error message.

    Raises:
        InvalidInputError: If the path is a folder, or its folder can be neither created nor
            written to.
    """
    if os.path.isdir(path):
        raise InvalidInputError(f"{option} {path} is a folder; name a file")
    check_writable_folder(path.parent, option)


def why_not_writable(path: Path) -> str | None:
    """Returns why no file of this name can be written, or `None` if it looks writable.

    For functions that do not create folders: the parent folder must exist. Reasons that only the
    attempt shows, such as a full disk, are not checked.
    """
    if not os.path.isdir(path.parent):
        return f"there is no folder {path.parent}; create it first"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} is not writable; choose another"
    if os.path.isdir(path):
        return "it is a folder; name a file"
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:  # The name is too long.
        return f"{error.strerror}; choose another name"
    except ValueError as error:
        return f"it is not a valid path: {error}"
    return None


def make_folder(folder: Path, option: str) -> None:
    """Creates a folder, with its parents, if it does not exist.

    Args:
        folder: The folder.
        option: The option that named it, such as `--out`, for the error message.

    Raises:
        InvalidInputError: If it cannot be created or written to.
    """
    check_writable_folder(folder, option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"{option} {folder}: {error.strerror}; choose another folder"
        ) from error
