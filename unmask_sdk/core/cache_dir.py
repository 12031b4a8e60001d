"""Where things are kept that can be made again: one folder for each user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "UNMASK_CACHE"


def cache_dir() -> Path:
    """Gives the folder, there or not: `UNMASK_CACHE` if that is set, else the platform's place."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unmask-sdk"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        root = Path(local) if local else Path.home() / "AppData" / "Local"
        return root / "unmask-sdk" / "cache"
    # The XDG rules say that a relative path there is to be ignored.
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return root / "unmask-sdk"
