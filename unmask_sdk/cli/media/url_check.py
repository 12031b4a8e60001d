"""Refuses URLs where a file is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unmask_sdk.errors import InvalidInputError

# `Path` turns two slashes into one. A single letter is a drive.
_ADDRESS = re.compile(r"([a-z][a-z\d+.-]+):[\\/]+", re.IGNORECASE)


def refuse_url(given: Path) -> None:
    """Raises if a path is a URL, which would be reported as a missing file.

    Raises:
        InvalidInputError: If it looks like a URL, and no file has that name.
    """
    found = _ADDRESS.match(str(given))
    if found is not None and not os.path.lexists(given):
        raise InvalidInputError(
            f"{found[1]}://{str(given)[found.end() :]} is a URL, which is not supported; download "
            "it, and give the path of the file"
        )
