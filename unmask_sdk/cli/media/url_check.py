"""Addresses given where a file is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unmask_sdk.errors import InvalidInputError

# `Path` makes one slash of two. A single letter is a drive.
_ADDRESS = re.compile(r"([a-z][a-z\d+.-]+):[\\/]+", re.IGNORECASE)


def refuse_address(given: Path) -> None:
    """Refuses a URL, which would be told of as a file that is not there.

    Raises:
        InvalidInputError: If it looks like one, and no file has such a name.
    """
    found = _ADDRESS.match(str(given))
    if found is not None and not os.path.lexists(given):
        raise InvalidInputError(
            f"{found[1]}://{str(given)[found.end() :]} is a URL, which is not opened; download "
            "it, and give the path of the file"
        )
