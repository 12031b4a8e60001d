"""Python packages that are not installed, found out before anything is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from .errors import MissingDependencyError


def missing(names: Sequence[str]) -> list[str]:
    """Gives those of the packages that are not installed. `a.b` imports `a`, nothing else is.

    One of several that will do is written `a or b`.
    """
    return [name for name in names if not any(map(_is_there, name.split(" or ")))]


def needs(what: str, absent: Sequence[str]) -> str:
    """Says that something needs packages that are not installed."""
    are = "is" if len(absent) == 1 else "are"
    return f"{what} needs {' and '.join(absent)}, which {are} not installed"


def require(what: str, *names: str, extra: str) -> None:
    """Refuses to go on without the packages.

    Args:
        what: What needs them, such as `unmask train`.
        *names: The packages, as they are imported.
        extra: The extra of unmask-sdk that brings them.

    Raises:
        MissingDependencyError: If one of them is not installed.
    """
    absent = missing(names)
    if absent:
        raise MissingDependencyError(f"{needs(what, absent)}; pip install 'unmask-sdk[{extra}]'")


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # The package that `name` lies in is not there, or does not import.
        return False
