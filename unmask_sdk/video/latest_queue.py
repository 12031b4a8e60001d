"""Hands items from one thread to another: bounded, and the latest win."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueEnded(Exception):
    """There will be no more items."""


class LatestQueue(Generic[T]):
    """A queue that throws its oldest item away when it is full. Any thread may call anything.

    Args:
        size: Items that may wait.
    """

    def __init__(self, size: int = 1) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.received = 0
        self.dropped = 0

    def put(self, item: T) -> bool:
        """Adds an item, and never waits; False if the queue has ended."""
        with self._changed:
            if self._ended:
                return False
            self.received += 1
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()
            return True

    def get(self, timeout: float | None) -> T:
        """Takes the oldest item that waits.

        Raises:
            TimeoutError: If none came in `timeout` seconds.
            Ended: If the queue has ended, and is empty; if it ended with an error, that instead,
                once.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended, timeout):
                raise TimeoutError
            if self._items:
                return self._items.popleft()
            error, self._error = self._error, None
            raise error or QueueEnded

    def end(self, error: BaseException | None = None) -> None:
        """Takes no more items; those that wait can still be taken."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the queue, and throws away what waits."""
        with self._changed:
            self.dropped += len(self._items)
            self._items.clear()
            self._error = None
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether no more items are taken."""
        return self._ended
