"""Folders that the workers of pytest-xdist share, so that slow exports are made once a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Returns a folder that the first worker to ask for it fills, while the others wait.

    Args:
        factory: Of the session.
        name: Name of the folder, unique among all.
        fill: Called with the empty folder. What it writes must be the same in every worker.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, complete = root / name, root / f"{name}.complete"
    with FileLock(root / f"{name}.lock"):
        if not complete.exists():
            # A worker that failed may have left a part of it.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
            complete.touch()
    return folder
