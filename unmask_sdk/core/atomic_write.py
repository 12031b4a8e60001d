"""Atomic file writing: a file is there in full, or as it was before."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

PARTIAL_SUFFIX = ".part"

# The bytes of a file, or a function that writes them to the open file it is given.
Content: TypeAlias = bytes | Callable[[BinaryIO], object]


def atomic_write(path: Path, content: Content) -> None:
    """Writes a file under a temporary name, then moves it to `path`.

    If anything fails, the file that was there stays and no other file is left behind. A file that
    is replaced keeps its permissions. If `path` is a symbolic link, the link is replaced and its
    target is not touched.

    Args:
        path: File to write; its folder must exist.
        content: The bytes, or a function that writes them to the file it is given.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If `path` is not a valid path.
    """
    file = PartialFile(path)
    try:
        file.write(content)
        file.commit()
    finally:
        file.discard()


class PartialFile:
    """A file that is written under a temporary name until it is complete.

    For files that other code writes, such as FFmpeg, and for several files that appear together;
    otherwise `atomic_write` is simpler. Call `discard` in the end in any case.

    The temporary file lies in the same folder, because a rename is atomic only within one file
    system. It is not made by `tempfile`, whose files only their owner can read, also after the
    rename.

    Args:
        target: The file's final path.

    Attributes:
        path: The temporary path.
        target: The final path.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".unmask-{secrets.token_hex(8)}{PARTIAL_SUFFIX}")

    def write(self, content: Content) -> None:
        """Writes the complete content to the temporary file and flushes it to the disk.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the path is not valid.
        """
        with open(self.path, "xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> None:
        """Moves the temporary file to the target, with the permissions of the file it replaces.

        Raises:
            OSError: If it cannot be moved.
        """
        with contextlib.suppress(OSError):
            mode = os.lstat(self.target).st_mode
            if stat.S_ISREG(mode):
                os.chmod(self.path, stat.S_IMODE(mode))
        os.replace(self.path, self.target)

    def discard(self) -> None:
        """Removes the temporary file; does nothing if it was moved or never written."""
        # The error that stopped the writing is being raised already.
        with contextlib.suppress(OSError, ValueError):
            self.path.unlink(missing_ok=True)
