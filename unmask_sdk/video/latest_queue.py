"""A bounded queue between threads that drops its oldest items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueEnded(Exception):
    """Raised when there will be no more items."""


class LatestQueue(Generic[T]):
    """A thread-safe queue that drops its oldest item when it is full.

    Args:
        size: It is full when the waiting items weigh this much or more.
        weigh: Returns what an item weighs, above 0; by default 1, so that `size` is their number.

    Attributes:
        received: Number of items added.
        dropped: Number of items dropped.
    """

    def __init__(self, size: int = 1, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._size = size
        self._weigh = weigh
        self._weight = 0
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
        weight = self._weigh(item)
        with self._changed:
            if wait:
                self._changed.wait_for(self._has_room)
            if self._ended:
                return False
            self.received += 1
            while self._weight >= self._size:
                self._take()
                self.dropped += 1
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return True

    def wait_for_room(self) -> bool:
        """Waits until an item can be added; returns false if the queue has ended."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            return not self._ended

    def _has_room(self) -> bool:
        return self._ended or self._weight < self._size

    def _take(self) -> T:
        item, weight = self._items.popleft()
        self._weight -= weight
        return item

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
                return self._take()
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
            self._weight = 0
            self._error = None
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether no more items are accepted."""
        return self._ended
