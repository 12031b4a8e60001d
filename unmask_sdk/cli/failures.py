"""What is printed about an error, for every command."""

from __future__ import annotations

import os
import sys

from unmask_sdk.core.opencv import describe_import
from unmask_sdk.errors import UnmaskError

# What users can do something about; anything else is a fault of ours, and keeps its traceback.
EXPECTED = (UnmaskError, OSError, ImportError)


def describe_failure(error: UnmaskError | OSError | ImportError) -> str:
    """Returns an error as one line."""
    if isinstance(error, UnmaskError):
        return str(error)
    return _describe_system(error) if isinstance(error, OSError) else describe_import(error)


def _describe_system(error: OSError) -> str:
    """Returns what the system refused, and for which file."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    try:
        sys.stdout.flush()
    except OSError:
        # Output that could not be written would fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # Only errors while a file is being written have no file name.
    return f"standard output, or a file being written: {reason}"
