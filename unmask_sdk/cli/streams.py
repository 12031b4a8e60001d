"""Standard streams that a parent closed: cron, services and `pythonw` start programs so.

Their numbers are filled with the null device first. Otherwise the next file that is opened gets
such a number, and what an engine prints would land in a photo.
"""

from __future__ import annotations

import io
import os
import sys
from typing import BinaryIO, cast

from unmask_sdk.errors import InvalidInputError

_NAMES = ("stdin", "stdout", "stderr")


def fill_closed_streams() -> None:
    """Opens the null device for each standard stream that is closed or missing."""
    for number, name in enumerate(_NAMES):
        writes = number > 0
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one: those below are open by now.
            opened = os.open(os.devnull, os.O_WRONLY if writes else os.O_RDONLY)
            os.set_inheritable(opened, True)
        if _is_closed(getattr(sys, name)):
            setattr(sys, name, open(os.devnull, "w" if writes else "r", encoding="utf-8"))  # noqa: SIM115


def binary_stdin() -> BinaryIO:
    """Returns standard input for bytes.

    Raises:
        InvalidInputError: If the caller closed it.
    """
    _check_open(sys.stdin, "input", "pipe the data into the command, or name a file instead of -")
    return sys.stdin.buffer


def binary_stdout() -> BinaryIO:
    """Returns standard output for bytes.

    Raises:
        InvalidInputError: If the caller closed it: the data would be lost without a word.
    """
    _check_open(sys.stdout, "output", "pipe it into a program, or name a file instead of -")
    return sys.stdout.buffer


def _is_closed(stream: io.TextIOBase | None) -> bool:
    return stream is None or stream.closed


def _check_open(stream: object, name: str, fix: str) -> None:
    # Redirections by a shell keep the name `<stdout>`, also those to the null device.
    if _is_closed(cast(io.TextIOBase, stream)) or getattr(stream, "name", None) == os.devnull:
        raise InvalidInputError(f"standard {name} is closed; {fix}")
