"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Writes a file under another name first; what was there before is replaced at once.

    Whatever goes wrong leaves what was there, and no other file. A file that is replaced
    keeps its permissions; of a link, the link is replaced, and what it leads to is not touched.

    Args:
        path: File to write; its folder must be there.
        content: What goes in it, or what writes that into the file given.

    Raises:
        OSError: If it cannot be written.
        ValueError: If `path` is no path.
    """
    part = part_of(path)
    try:
        with open(part, "xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        put(part, path)
    finally:
        # What kept it from being written is being told already.
        with contextlib.suppress(OSError, ValueError):
            part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A new name for what is to become `path`, once it is whole.

    In the same folder, because a rename is atomic only within one file system. Not made by
    `tempfile`, whose files are for their owner alone and would stay so.
    """
    return path.with_name(f".unmask-{secrets.token_hex(8)}.part")


def put(part: Path, path: Path) -> None:
    """Gives a whole file its name, with the permissions of the file that was there, if any."""
    with contextlib.suppress(OSError):
        before = os.lstat(path).st_mode
        if stat.S_ISREG(before):
            os.chmod(part, stat.S_IMODE(before))
    os.replace(part, path)
