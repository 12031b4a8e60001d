"""Folders to write to: looked at before any work, and made when there is something to write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unmask_sdk.errors import InvalidInputError


def check_writable_folder(folder: Path, option: str) -> None:
    """Refuses a folder that could neither be made nor be written to. Makes none.

    Args:
        folder: The folder, there or not.
        option: What gave it, such as `--out`, for the message.

    Raises:
        InvalidInputError: If it, or what it would lie in, is a file or cannot be written to.
    """
    for place in (folder, *folder.parents):
        try:
            mode = os.stat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue  # Its parent tells.
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
                f"{option} {folder}: {place} may not be written to; choose another folder"
            )
        return


def check_writable_file(path: Path, option: str) -> None:
    """Refuses a file that could not be written, there or not. Makes nothing.

    Args:
        path: The file.
        option: What gave it, such as `--out`, for the message.

    Raises:
        InvalidInputError: If it is a folder, or its folder could neither be made nor written to.
    """
    if os.path.isdir(path):
        raise InvalidInputError(f"{option} {path} is a folder; name a file")
    check_writable_folder(path.parent, option)


def why_not_writable(path: Path) -> str | None:
    """Says why no file of this name can be written in a folder that must be there; None if it can.

    For functions that make no folders; what only the attempt shows, such as a full disk, is not
    looked for.
    """
    if not os.path.isdir(path.parent):
        return f"there is no folder {path.parent}; make it first"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} may not be written to; choose another"
    if os.path.isdir(path):
        return "it is a folder; name a file"
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:  # The name is too long.
        return f"{error.strerror}; choose another name"
    except ValueError as error:
        return f"it is no path: {error}"
    return None


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder, with those above it.

    Args:
        folder: The folder, there or not.
        option: What gave it, such as `--out`, for the message.

    Raises:
        InvalidInputError: If it cannot be made or written to.
    """
    check_writable_folder(folder, option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"{option} {folder}: {error.strerror}; choose another folder"
        ) from error
