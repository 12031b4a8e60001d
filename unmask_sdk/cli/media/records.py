"""What `--json` prints for each photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unmask_sdk.cli.json_output import error_record

from .process_file import Done, Failed


def photo_record(
    source: Path | None,
    target: Path | None = None,
    done: Done | None = None,
    failed: Failed | None = None,
) -> dict[str, Any]:
    """Returns the object for one photo; every one has all keys.

    Args:
        source: The photo; None if it is about a folder that cannot be read.
        target: The file of its result.
        done: What was done; None if it failed, or its result was up to date.
        failed: Why it failed; None if it did not.
    """
    found = {} if done is None else done.found
    return {
        "source": None if source is None else str(source),
        "output": None if failed is not None or target is None else str(target),
        "status": "failed" if failed is not None else status_of(done),
        "size": found.get("size"),
        "faces": found.get("faces"),
        "timings": found.get("timings"),
        "notes": found.get("notes", []),
        "copied": done is not None and done.copied,
        "error": None if failed is None else error_record(failed.kind, failed.message),
    }


def status_of(done: Done | None) -> str:
    """Returns what was done with a photo that did not fail, in one word."""
    if done is None:
        return "finished_before"
    if not done.faces:
        return "no_face"
    return "unmasked" if done.masked else "no_mask"
