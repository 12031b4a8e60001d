"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Writes a file under another name first; what was there before is replaced at once.

    Whatever goes wrong leaves what was there, and no other file.

    Args:
        path: File to write; its folder must be there.
        content: What goes in it, or what writes that into the file given.

    Raises:
        OSError: If it cannot be written.
        ValueError: If `path` is no path.
    """
    # In the same folder, because a rename is atomic only within one file system. Not made by
    # `tempfile`, whose files are for their owner alone and would stay so.
    part = path.with_name(f".{path.name[:60]}.{secrets.token_hex(6)}.part")
    try:
        with open(part, "xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        # What kept it from being written is being told already.
        with contextlib.suppress(OSError, ValueError):
            part.unlink(missing_ok=True)
