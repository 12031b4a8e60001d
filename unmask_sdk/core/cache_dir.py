"""The user's cache directory, for files that can be built again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "UNMASK_CACHE"


def cache_dir() -> Path:
    """Returns the cache directory, which may not exist yet.

    It is the environment variable `UNMASK_CACHE` if that is set, else the platform's usual place.
    """
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(override).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unmask-sdk"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        root = Path(local) if local else Path.home() / "AppData" / "Local"
        return root / "unmask-sdk" / "cache"
    # The XDG specification says that a relative path there must be ignored.
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"
    return root / "unmask-sdk"
