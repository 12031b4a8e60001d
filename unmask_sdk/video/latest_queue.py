"""A bounded queue between threads that drops its oldest items."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueEnded(Exception):
    """Raised when there will be no more items."""


class LatestQueue(Generic[T]):
    """A thread-safe queue that drops its oldest item when it is full.

    Args:
        size: Largest number of waiting items.

    Attributes:
        received: Number of items added.
        dropped: Number of items dropped.
    """

    def __init__(self, size: int = 1) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.received = 0
        self.dropped = 0

    def put(self, item: T, *, wait: bool = False) -> bool:
        """Adds an item; returns false if the queue has ended.

        Args:
            item: The item.
            wait: Whether to wait until there is room, instead of dropping the oldest item.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(
                    lambda: self._ended or len(self._items) != self._items.maxlen
                )
            if self._ended:
                return False
            self.received += 1
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None) -> T:
        """Removes and returns the oldest item.

        Raises:
            TimeoutError: If no item came in `timeout` seconds.
            QueueEnded: If the queue has ended and is empty. If it ended with an error, that error
                is raised instead, once.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended, timeout):
                raise TimeoutError
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
            error, self._error = self._error, None
            raise error or QueueEnded

    def end(self, error: BaseException | None = None) -> None:
        """Accepts no more items; waiting ones can still be taken."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the queue and drops the waiting items."""
        with self._changed:
            self.dropped += len(self._items)
            self._items.clear()
            self._error = None
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether no more items are accepted."""
        return self._ended
