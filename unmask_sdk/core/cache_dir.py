"""The user's cache directory, for files that can be built again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from unmask_sdk.errors import ConfigError

CACHE_VARIABLE = "UNMASK_CACHE"


def cache_dir() -> Path:
    """Returns the cache directory, which may not exist yet.

    It is the environment variable `UNMASK_CACHE` if that is set, else the platform's usual place.

    Raises:
        ConfigError: If there is none: the user has no home directory, as in a container that runs
            under any user id, or the variable names no folder.
    """
    override = os.environ.get(CACHE_VARIABLE)
    try:
        return _of_platform() if not override else Path(override).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # No home; the current folder was removed.
        value = f"{CACHE_VARIABLE}={override}: " if override else ""
        raise ConfigError(
            f"there is no folder for a cache ({value}{error}); set {CACHE_VARIABLE} to an absolute "
            "path that can be written to"
        ) from error


def _of_platform() -> Path:
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
