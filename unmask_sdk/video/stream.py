"""Live frames in, results out, without falling behind."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from unmask_sdk.core.closable import Closable
from unmask_sdk.core.validate import check_integer, check_seconds
from unmask_sdk.errors import SourceError
from unmask_sdk.imaging.decode import Channels, check_channels, read_photo
from unmask_sdk.pipeline import OpenedModel
from unmask_sdk.result import Result

from .latest_queue import LatestQueue, QueueEnded
from .session import Session, check_frames

# More frames than this would not fit in memory.
_MAX_QUEUE = 2**16
# Seconds that `close` waits for a source that hangs.
_CLOSE_TIMEOUT = 0.5


@dataclass(frozen=True)
class Counters:
    """Counts of the frames of a stream.

    Attributes:
        received: Frames that the source delivered.
        dropped: Frames discarded because a newer one arrived before they were processed.
        done: Results returned.
        stalls: Times that the source delivered no frame within the timeout.
    """

    received: int
    dropped: int
    done: int
    stalls: int


class Stream(Closable, Iterator[Result]):
    """An iterator of results over live frames; `model.stream(…)` makes one.

    A background thread reads the frames from the source. Of those that arrive while one is
    processed, the latest `queue` are kept. Frames are processed in the thread that iterates.

    Threads: one thread iterates; any thread may call `close` or read `counters`, at any time. A
    stream that is garbage-collected, such as after a `break`, is closed.

    Args:
        model: The model; it stays open.
        frames: The source: any iterable of uint8 `[H, W, 3]` arrays, each a new array. If it has a
            method `close`, it is called when the stream is closed.
        channels: `rgb`, or `bgr` as in OpenCV.
        queue: Frames that may wait; 1 gives the lowest latency.
        timeout: Seconds to wait for a frame; None waits until `close`.
        smooth: Whether crops and fills are smoothed over time (`Session`).

    Raises:
        InvalidInputError: If an argument is invalid.
        RuntimeUnavailableError: If the model is closed.
    """

    def __init__(
        self,
        model: OpenedModel,
        frames: Iterable[Any],
        *,
        channels: Channels = "rgb",
        queue: int = 1,
        timeout: float | None = 10.0,
        smooth: bool = True,
    ) -> None:
        check_frames(
            frames,
            "an iterable of images, such as unmask_sdk.Camera(0)",
            "; for a file use model.video(IN, OUT)",
        )
        check_channels(channels)
        check_integer("queue", queue, 1, _MAX_QUEUE)
        if timeout is not None:
            check_seconds("timeout", timeout)
        self._session = Session(model, smooth=smooth)
        self._channels = channels
        self._timeout = timeout
        self._waiting: LatestQueue[Any] = LatestQueue(queue)
        self._done = 0
        self._stalls = 0
        # Neither refers to the stream, or its own thread would keep it alive.
        self._end = weakref.finalize(self, _end, frames, self._waiting)
        # A source that hangs must not keep the program from ending.
        self._reader = threading.Thread(
            target=_read, args=(frames, self._waiting), name="unmask-stream", daemon=True
        )
        self._reader.start()

    def __next__(self) -> Result:
        """Returns the result for the next frame.

        Raises:
            StopIteration: If the source has ended, or the stream is closed.
            SourceError: If no frame arrived in time; iteration may continue.
            InvalidInputError: If a frame is not such an array.
        """
        try:
            frame = self._waiting.get(self._timeout)
        except QueueEnded:
            raise StopIteration from None
        except TimeoutError:
            self._stalls += 1
            raise SourceError(
                f"the source delivered no frame for {self._timeout:g} seconds; check the source, "
                "or wait longer with timeout="
            ) from None
        result = self._session(read_photo(frame, self._channels).pixels, time.monotonic())
        self._done += 1
        return result

    @property
    def counters(self) -> Counters:
        """Counts of the frames so far."""
        waiting = self._waiting
        return Counters(waiting.received, waiting.dropped, self._done, self._stalls)

    def close(self) -> None:
        """Ends the stream; a thread that waits for a result gets `StopIteration`. Idempotent."""
        self._end()
        if threading.current_thread() is not self._reader:
            self._reader.join(_CLOSE_TIMEOUT)


def _read(frames: Iterable[Any], waiting: LatestQueue[Any]) -> None:
    try:
        for frame in frames:
            if not waiting.put(frame):
                return
    except BaseException as error:  # noqa: BLE001  Raised in the thread that iterates.
        waiting.end(error)
    else:
        waiting.end()


def _end(frames: Iterable[Any], waiting: LatestQueue[Any]) -> None:
    waiting.close()
    close = getattr(frames, "close", None)
    # Only the thread that runs a generator can close it; this one just drops it.
    if close is not None and not isinstance(frames, GeneratorType):
        close()
