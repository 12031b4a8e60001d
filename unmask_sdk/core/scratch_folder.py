"""Temporary folders that an interrupt does not leave behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Makes a temporary folder, and removes it afterwards.

    `tempfile.TemporaryDirectory` leaves the folder behind if Ctrl-C comes while it is removed.

    Args:
        prefix: What its name begins with.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
