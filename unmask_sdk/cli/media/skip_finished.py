"""Checks whether an image already has an up-to-date result."""

from __future__ import annotations

import filecmp
from pathlib import Path

from unmask_sdk.imaging.decode import is_stripped


def is_up_to_date(source: Path, target: Path, *, strip: bool) -> bool:
    """Returns whether a result exists and is not older than its image.

    Results are written atomically, so an existing one is complete.

    Args:
        source: The image.
        target: Its result.
        strip: Whether a result that holds EXIF or XMP of the photo, from a run without `--strip`,
            does not count.
    """
    try:
        there = target.stat().st_mtime_ns >= source.stat().st_mtime_ns
        return there and not (strip and _has_metadata(source, target))
    except OSError:  # It does not exist, or cannot be read; processing then reports that.
        return False


def _has_metadata(source: Path, target: Path) -> bool:
    # A copy may have metadata that no result of ours has, such as a PNG's text.
    return not is_stripped(target) or filecmp.cmp(source, target, shallow=False)
