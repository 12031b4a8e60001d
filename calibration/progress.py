"""How long steps report their progress to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class ProgressFn(Protocol):
    """Iterates over items, and shows how many are done; `rich.progress.track` is one."""

    def __call__(self, items: Sequence[T], what: str, /) -> Iterable[T]:
        """Returns the items in order; `what` names the step."""
        ...


def no_progress(items: Sequence[T], what: str, /) -> Iterable[T]:
    """Returns the items and shows nothing."""
    return items
