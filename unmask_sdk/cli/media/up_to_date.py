"""Whether the result for a picture is there already."""

from __future__ import annotations

import filecmp
from pathlib import Path

from unmask_sdk.imaging.decode import is_stripped


def finished(source: Path, target: Path, *, strip: bool) -> bool:
    """Returns whether a result is there and not older than its picture: results are written whole.

    Args:
        source: The picture.
        target: Its result.
        strip: Whether a result of an earlier run that tells where and when the photo was taken
            counts as none.
    """
    try:
        there = target.stat().st_mtime_ns >= source.stat().st_mtime_ns
        return there and not (strip and _tells(source, target))
    except OSError:  # Not there, or not to be looked at: reading and writing will say so.
        return False


def _tells(source: Path, target: Path) -> bool:
    # A copy may tell in ways that no result of ours has, such as a PNG's text.
    return not is_stripped(target) or filecmp.cmp(source, target, shallow=False)
