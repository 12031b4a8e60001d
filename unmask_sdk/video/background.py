"""Stages of a video in threads of their own: one reads ahead, one writes behind.

Decoders, encoders and color conversion release Python's global lock, so they run on other cores
while the networks run. Both queues are bounded, and keep the order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from unmask_sdk.core.closable import Closable

from .latest_queue import LatestQueue, QueueEnded

T = TypeVar("T")


class ReadAhead(Closable, Iterator[T]):
    """Iterates in a thread of its own; an exception there is raised where the items are taken.

    Args:
        items: What to iterate over; nothing else may use it, or what it reads, until `close`.
        most: The next item is read only while those that wait weigh less than this.
        weigh: Returns what an item weighs, above 0; by default 1.
    """

    def __init__(
        self, items: Iterable[T], most: int, weigh: Callable[[T], int] = lambda _: 1
    ) -> None:
        self._queue: LatestQueue[T] = LatestQueue(most, weigh)
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(items,), name="unmask-read", daemon=True
        )
        self._thread.start()

    def _read(self, items: Iterable[T]) -> None:
        try:
            left = iter(items)
            while self._queue.wait_for_room():
                try:
                    self._queue.put(next(left))
                except StopIteration:
                    break
        except BaseException as error:  # noqa: BLE001  Raised in the thread that takes the items.
            self._queue.end(error)
        else:
            self._queue.end()
        finally:
            self._ended.set()

    def __next__(self) -> T:
        """Waits for the next item."""
        try:
            return self._queue.get(None)
        except QueueEnded:
            raise StopIteration from None

    def close(self) -> None:
        """Drops what waits, and returns when the thread has ended."""
        _end(self._queue, self._thread, self._ended)


class WriteBehind(Closable, Generic[T]):
    """Calls a function with each item, in their order, in a thread of its own.

    Args:
        write: The function; nothing else may use what it writes to until `finish` or `close`.
        most: An item is added only while those that wait weigh less than this.
        weigh: Returns what an item weighs, above 0; by default 1.
    """

    def __init__(
        self,
        write: Callable[[T], object],
        most: int,
        weigh: Callable[[T], int] = lambda _: 1,
    ) -> None:
        self._queue: LatestQueue[T] = LatestQueue(most, weigh)
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._write_all, args=(write,), name="unmask-write", daemon=True
        )
        self._thread.start()

    def _write_all(self, write: Callable[[T], object]) -> None:
        try:
            while True:
                write(self._queue.get(None))
        except QueueEnded:
            pass
        except BaseException as error:  # noqa: BLE001  Raised in the thread that puts the items.
            self._error = error
            self._queue.close()
        finally:
            self._ended.set()

    def __call__(self, item: T) -> None:
        """Adds an item, once there is room.

        Raises:
            BaseException: What `write` raised for an earlier one.
        """
        if not self._queue.put(item, wait=True):
            self.finish()

    def finish(self) -> None:
        """Returns when all items are written.

        Raises:
            BaseException: What `write` raised.
        """
        self._queue.end()
        self._ended.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Drops what waits, and returns when the thread has ended."""
        _end(self._queue, self._thread, self._ended)


def _end(queue: LatestQueue[T], thread: threading.Thread, ended: threading.Event) -> None:
    """Closes a queue, and returns when the thread that uses it has ended.

    Also if a signal raises an exception meanwhile: the caller closes the files that the thread
    reads and writes, and FFmpeg crashes if it still does. An event, because Python before 3.13
    takes a thread for ended if waiting for it is interrupted.
    """
    interrupt: BaseException | None = None
    while True:
        try:
            queue.close()
            ended.wait()
            break
        except BaseException as error:  # noqa: BLE001  Raised when the thread has ended.
            interrupt = error
    thread.join()
    if interrupt is not None:
        raise interrupt
