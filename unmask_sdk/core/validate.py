"""Checks of arguments, with the same error messages everywhere."""

from __future__ import annotations

import math
import threading
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from unmask_sdk.errors import InvalidInputError


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Checks that a value is an integer from `low` to `high`; `None` sets no upper limit.

    Raises:
        InvalidInputError: Naming the argument, its range and the value.
    """
    # In Python True is an integer; as an argument it is a mistake.
    number = isinstance(value, Integral) and not isinstance(value, bool)
    if not number or value < low or (high is not None and value > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InvalidInputError(f"{name} must be a whole number {wanted}; got {value!r}")


def check_seconds(name: str, value: Any, *, zero: bool = False) -> None:
    """Checks that a value is a time to wait, in seconds; 0 is allowed only if `zero` is true.

    Raises:
        InvalidInputError: Naming the argument, its range and the value.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    # Threads cannot wait longer than `TIMEOUT_MAX`.
    if not number or not 0 <= value <= threading.TIMEOUT_MAX or (value == 0 and not zero):
        least = "0 seconds or more" if zero else "more than 0 seconds"
        raise InvalidInputError(f"{name} must be {least}; got {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Checks that a value is a finite number above 0.

    Raises:
        InvalidInputError: Naming the argument and the value.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value > 0):
        raise InvalidInputError(f"{name} must be a positive number; got {value!r}")


def as_path(name: str, value: Any) -> Path:
    """Returns a `Path` for text or another path.

    Raises:
        InvalidInputError: Naming the argument, if the value is neither or cannot name a file.
    """
    try:
        path = Path(value)
    except TypeError:
        raise InvalidInputError(f"{name} must be a path; got {value!r}") from None
    # `Path("")` is the current folder, but an empty string is most likely an unset variable.
    if value == "":
        raise InvalidInputError(f"{name} is an empty path; for the current folder use '.'")
    if "\0" in str(path):
        raise InvalidInputError(f"{name} is not a valid path, it has a null character: {value!r}")
    return path


def check_text(name: str, value: Any) -> None:
    """Checks that a value is a string with at least one character.

    Raises:
        InvalidInputError: Naming the argument and the value.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{name} must be a name; got {value!r}")
