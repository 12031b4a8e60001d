"""Frames from a camera, opened by OpenCV; a camera that fails or hangs is opened again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.core.closable import Closable
from unmask_sdk.core.validate import check_integer, check_seconds
from unmask_sdk.errors import InvalidInputError, SourceError

from .latest_queue import LatestQueue, QueueEnded

# OpenCV's limits of the index of a device and of a side in pixels.
_MAX_INDEX = 2**15
_MAX_SIDE = 2**15


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def read(self) -> tuple[bool, Any]:
        """Returns whether there was a frame, and the frame, uint8 `[H, W, 3]` BGR."""
        ...

    def release(self) -> None:
        """Releases the device."""
        ...


@dataclass(frozen=True)
class CameraCounters:
    """Counts of what happened to a camera.

    Attributes:
        frames: Frames returned.
        deaths: Times that it ended, or could not be opened again.
        stalls: Times that it returned no frame for too long.
        opened: Times that it was opened.
    """

    frames: int
    deaths: int
    stalls: int
    opened: int


class Camera(Closable, Iterator[UInt8Array]):
    """Frames of a camera, uint8 `[H, W, 3]` RGB, for `model.stream`.

    If it ends, or returns no frame for `stall` seconds, it is opened again, as often as necessary.
    The first attempt to open it must succeed. A video file, or a URL with a known number of frames,
    ends the iteration with its last frame; none of its frames is dropped here.

    Threads: one iterates; any may call `close` or read `counters`.

    Args:
        source: Index of a device or its path (/dev/video0), URL (rtsp://…), or GStreamer pipeline
            that ends in `appsink` (recognized by its `!`). To write a video file, with its sound,
            use `model.video`.
        size: (width, height) to request from a device; not for a URL or a pipeline.
        stall: Seconds after which a camera that returns no frame is considered stuck.
        retry: Seconds between attempts to open it again.
        opener: Opens the camera, or raises `SourceError`; for other libraries than OpenCV.

    Raises:
        InvalidInputError: If an argument is not valid.
    """

    def __init__(
        self,
        source: int | str | os.PathLike[str],
        *,
        size: tuple[int, int] | None = None,
        stall: float = 5.0,
        retry: float = 1.0,
        opener: Callable[[], Capture] | None = None,
    ) -> None:
        check_seconds("stall", stall)
        check_seconds("retry", retry, zero=True)
        self._source = parsed = _parse_source(source)
        _check_size(size, parsed)
        self._opener = opener or (lambda: open_capture(parsed, size))
        self._stall = stall
        self._retry = retry
        self._closed = threading.Event()
        # Set as soon as it is known that the source has an end of its own.
        self._finite = threading.Event()
        if isinstance(parsed, str) and Path(parsed).is_file():
            self._finite.set()
        self._link: LatestQueue[UInt8Array] | None = None
        self._frames = self._deaths = self._stalls = self._opened = 0

    def __next__(self) -> UInt8Array:
        """Waits for the next frame.

        Raises:
            StopIteration: If the camera was closed, or the file has ended.
            SourceError: If it cannot be opened the first time, or the file has no frames.
            InvalidInputError: If it delivers something else than color images with 8 bits.
        """
        while not self._closed.is_set():
            link = self._link or self._connect()
            try:
                frame = link.get(self._stall)
            except TimeoutError:
                self._stalls += 1
                # Opened again, a file would begin anew.
                if not self._finite.is_set():
                    self._drop()
            except QueueEnded:
                if self._finite.is_set():
                    self.close()
                else:
                    self._lost()
            except SourceError:
                if not self._opened:
                    raise
                self._lost()
            else:
                self._frames += 1
                return frame
        raise StopIteration

    @property
    def counters(self) -> CameraCounters:
        """Counts of what happened to the camera so far."""
        return CameraCounters(self._frames, self._deaths, self._stalls, self._opened)

    def close(self) -> None:
        """Ends the frames immediately; a camera that is stuck is released when it returns."""
        self._closed.set()
        self._drop()

    def _lost(self) -> None:
        if self._closed.is_set():
            return
        self._deaths += 1
        self._drop()
        self._closed.wait(self._retry)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _connect(self) -> LatestQueue[UInt8Array]:
        link: LatestQueue[UInt8Array] = LatestQueue()
        self._link = link
        if self._closed.is_set():
            link.close()
        # A new thread each time, because a read that never returns blocks its thread.
        threading.Thread(
            target=self._serve, args=(link,), name="unmask-camera", daemon=True
        ).start()
        return link

    def _serve(self, link: LatestQueue[UInt8Array]) -> None:
        import cv2

        try:
            capture = self._opener()
        except Exception as error:  # noqa: BLE001  Any error means that the camera did not open.
            link.end(error if isinstance(error, SourceError) else SourceError(self._failed(error)))
            return
        if not _is_device(self._source) and _frame_count_is_known(capture):
            self._finite.set()
        finite = self._finite.is_set()
        try:
            if not link.ended:
                self._opened += 1
            while not link.ended:
                success, frame = capture.read()
                if not success:
                    break
                _check_frame(frame, self._source)
                link.put(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), wait=finite)
            link.end(_no_frames(self._source) if finite and not link.received else None)
        except InvalidInputError as error:
            link.end(error)
        except Exception:  # noqa: BLE001  A camera that is unplugged fails in many ways.
            link.end()
        finally:
            capture.release()

    def _failed(self, error: Exception) -> str:
        return f"the camera {self._source!r} cannot be opened: {error or type(error).__name__}"


def _parse_source(source: int | str | os.PathLike[str]) -> int | str:
    """Returns an index, or the text that names a source; digits are an index."""
    given = os.fspath(source) if isinstance(source, os.PathLike) else source
    if isinstance(given, str) and given.strip():
        return int(given) if given.isdecimal() else given
    if isinstance(given, str) or not isinstance(given, int):
        raise InvalidInputError(
            "source must be the index of a camera such as 0, a device such as /dev/video0, a URL "
            f"or a GStreamer pipeline; got {source!r}"
        )
    # OpenCV 5 crashes on -1.
    check_integer("the index of a camera", given, 0, _MAX_INDEX)
    return given


def _check_size(size: tuple[int, int] | None, source: int | str) -> None:
    if size is None:
        return
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise InvalidInputError(f"size must be (width, height) in pixels; got {size!r}")
    for side in size:
        check_integer("a side of size", side, 1, _MAX_SIDE)
    if isinstance(source, str) and ("://" in source or "!" in source):
        raise InvalidInputError(
            f"size is for devices only, and {source} is not one; set it where the stream is "
            "produced, or in the pipeline (video/x-raw,width=…,height=…)"
        )


def _frame_count_is_known(capture: Capture) -> bool:
    import cv2

    get = getattr(capture, "get", None)  # Captures of an `opener` need not have it.
    return get is not None and get(cv2.CAP_PROP_FRAME_COUNT) > 0


def _check_frame(frame: Any, source: int | str) -> None:
    """Refuses frames that are not BGR images; opening the camera again would not help."""
    if not isinstance(frame, np.ndarray):
        seen, fix = type(frame).__name__, "read() must return (True, frame)"
    elif frame.ndim == 3 and frame.shape[2] in (3, 4) and frame.dtype == np.uint8 and frame.size:
        return
    else:
        seen = f"{frame.dtype} {list(frame.shape)}"
        fix = _fix(frame)
    raise InvalidInputError(
        f"the camera {source!r} delivers {seen}, not uint8 [H, W, 3] BGR: {fix}"
    )


def _fix(frame: AnyArray) -> str:
    if frame.ndim == 3 and frame.shape[2] == 2:
        what, code = "raw YUYV", "COLOR_YUV2BGR_YUY2"
    elif frame.dtype != np.uint8:
        return f"scale {frame.dtype} to 0 to 255, then .astype(np.uint8), in an opener of your own"
    else:
        what, code = "gray or raw frames (NV12, MJPG)", "COLOR_GRAY2BGR"
    return (
        f"these are {what}; let OpenCV convert them (CAP_PROP_CONVERT_RGB 1), in a pipeline write "
        "videoconvert ! video/x-raw,format=BGR ! appsink, or use an opener of your own with "
        f"cv2.cvtColor(frame, cv2.{code})"
    )


def _no_frames(source: int | str) -> SourceError:
    return SourceError(f"{source!r} has no frame that can be decoded; does it play elsewhere?")


def _is_device(source: int | str) -> bool:
    return isinstance(source, int) or source.startswith("/dev/")


def open_capture(source: int | str, size: tuple[int, int] | None = None) -> Capture:
    """Opens a camera with OpenCV.

    Raises:
        SourceError: If it cannot be opened.
    """
    import cv2

    pipeline = isinstance(source, str) and "!" in source
    if pipeline and not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise SourceError(
            "this OpenCV was built without GStreamer (those of PyPI are); on a Jetson use the "
            "OpenCV of JetPack: pip uninstall opencv-python-headless, apt install python3-opencv"
        )
    capture = cv2.VideoCapture(source, cv2.CAP_GSTREAMER if pipeline else cv2.CAP_ANY)
    if not capture.isOpened():
        capture.release()
        raise SourceError(_unopened(source))
    if _is_device(source):
        # Frames in the driver's queue are late already.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    return capture


def _unopened(source: int | str) -> str:
    """Returns an error message with what may be wrong with this kind of source."""
    if _is_device(source):
        return (
            f"the camera {source!r} cannot be opened: is it connected, is it used by another "
            "program, may this user read it (group video)?"
        )
    source = str(source)
    if "://" in source:
        return (
            f"{source} cannot be opened: does it answer, does it play elsewhere (ffplay {source}), "
            "does it need a name and password (rtsp://NAME:PASSWORD@HOST/…)?"
        )
    if "!" in source:
        return (
            f"the pipeline {source!r} cannot be opened: does it run with gst-launch-1.0, and does "
            "it end in appsink?"
        )
    return (
        f"{source!r} is not a camera: use an index such as 0, a device, a URL such as rtsp://…, or "
        "a GStreamer pipeline; for a video file use `unmask video` or model.video(IN, OUT)"
    )
