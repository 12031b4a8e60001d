"""Live frames in, results out: never late, never stuck."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from unmask_sdk.core.closable import Closing
from unmask_sdk.core.validate import check_seconds, check_whole
from unmask_sdk.errors import SourceError
from unmask_sdk.imaging.decode import Channels, check_channels, read
from unmask_sdk.pipeline import FacePipeline
from unmask_sdk.result import Result

from .latest_queue import Ended, Latest
from .session import Session, check_frames

# More frames than that fit in no memory.
_MAX_QUEUE = 2**16


# `close` waits no longer than this for a source that is stuck.
_PATIENCE = 0.5


@dataclass(frozen=True)
class Counters:
    """What became of the frames of a stream.

    Attributes:
        received: Frames that the source gave.
        dropped: Frames thrown away because a newer one came before their turn.
        done: Results given.
        stalls: Times that the source gave no frame for too long.
    """

    received: int
    dropped: int
    done: int
    stalls: int


class Stream(Closing, Iterator[Result]):
    """An iterator of results over live frames; `model.stream(…)` makes one.

    A thread of its own takes the frames from the source as they come. Of those that come while
    one is worked on, the latest `queue` are kept. The work is done in the thread that iterates.

    Threads: one iterates; any may call `close` or read `counters`, at any time. One that nobody
    holds any more, such as after a `break`, is closed as by `close`.

    Args:
        model: The model; it stays open.
        frames: The source: any iterable of uint8 `[H, W, 3]` arrays, each an array of its own. If
            it has a method `close`, it is called when the stream is closed.
        channels: `rgb`, or `bgr` as OpenCV has them.
        queue: Frames that may wait; 1 gives the least delay.
        timeout: Seconds to wait for a frame; None waits for ever, or until `close`.
        smooth: Whether crops and fills are held still between frames (`Session`).

    Raises:
        InvalidInputError: If an argument does not fit.
        RuntimeUnavailableError: If the model is closed.
    """

    def __init__(
        self,
        model: FacePipeline,
        frames: Iterable[Any],
        *,
        channels: Channels = "rgb",
        queue: int = 1,
        timeout: float | None = 10.0,
        smooth: bool = True,
    ) -> None:
        check_frames(
            frames,
            "an iterable of pictures, such as unmask_sdk.Camera(0)",
            "; for a file use model.video(IN, OUT)",
        )
        check_channels(channels)
        check_whole("queue", queue, 1, _MAX_QUEUE)
        if timeout is not None:
            check_seconds("timeout", timeout)
        self._session = Session(model, smooth=smooth)
        self._channels = channels
        self._timeout = timeout
        self._waiting: Latest[Any] = Latest(queue)
        self._done = 0
        self._stalls = 0
        # Neither knows the stream, or it would be held by its own thread for ever.
        self._end = weakref.finalize(self, _end, frames, self._waiting)
        # A source that is stuck must not keep the program from ending.
        self._reader = threading.Thread(
            target=_read, args=(frames, self._waiting), name="unmask-stream", daemon=True
        )
        self._reader.start()

    def __next__(self) -> Result:
        """Gives the result for the next frame.

        Raises:
            StopIteration: If the source has ended, or the stream is closed.
            SourceError: If no frame came in time; iterating may go on.
            InvalidInputError: If a frame is no such array.
        """
        try:
            frame = self._waiting.get(self._timeout)
        except Ended:
            raise StopIteration from None
        except TimeoutError:
            self._stalls += 1
            raise SourceError(
                f"the source gave no frame for {self._timeout:g} seconds; see to it, or wait "
                "longer with timeout="
            ) from None
        result = self._session(read(frame, self._channels).pixels)
        self._done += 1
        return result

    @property
    def counters(self) -> Counters:
        """What became of the frames so far."""
        waiting = self._waiting
        return Counters(waiting.received, waiting.dropped, self._done, self._stalls)

    def close(self) -> None:
        """Ends the stream: whoever waits for a result is told at once. May be called twice."""
        self._end()
        if threading.current_thread() is not self._reader:
            self._reader.join(_PATIENCE)


def _read(frames: Iterable[Any], waiting: Latest[Any]) -> None:
    try:
        for frame in frames:
            if not waiting.put(frame):
                return
    except BaseException as error:  # noqa: BLE001  Told to the thread that iterates.
        waiting.end(error)
    else:
        waiting.end()


def _end(frames: Iterable[Any], waiting: Latest[Any]) -> None:
    waiting.close()
    close = getattr(frames, "close", None)
    # A generator can only be closed by the thread that runs it: it is dropped instead.
    if close is not None and not isinstance(frames, GeneratorType):
        close()
