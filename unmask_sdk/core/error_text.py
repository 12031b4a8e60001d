"""Exceptions of other packages as text for messages."""

from __future__ import annotations

from unmask_sdk.errors import UnmaskError


def one_line(error: BaseException) -> str:
    """Returns an error's message on one line; the name of its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def one_line_with_type(error: BaseException) -> str:
    """Returns an error's message on one line, after its type unless it is one of this package."""
    if isinstance(error, UnmaskError):
        return str(error)
    name, line = type(error).__name__, one_line(error)
    return line if line == name else f"{name}: {line}"
