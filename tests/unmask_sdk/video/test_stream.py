"""Live frames: bounded, counted, and never blocked."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from unmask_sdk import Camera
from unmask_sdk.errors import InvalidInputError, SourceError
from unmask_sdk.video.camera import open_capture
from unmask_sdk.video.latest_queue import LatestQueue, QueueEnded

EYES = np.array([[250.0, 95.0], [310.0, 98.0]])


@pytest.fixture
def frame(painter, backdrop):
    return painter(backdrop, EYES)[:300]


class Plug:
    """A camera that can be unplugged, hang, and be plugged in again."""

    def __init__(self, frame):
        self.frame = frame[..., ::-1].copy()
        self.there = threading.Event()
        self.there.set()
        self.running = threading.Event()
        self.running.set()
        self.opened = self.released = 0

    def open(self):
        if not self.there.is_set():
            raise OSError("no such device")
        self.opened += 1
        return self

    def read(self):
        self.running.wait()
        time.sleep(0.004)
        return self.there.is_set(), self.frame

    def release(self):
        self.released += 1


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_queue_keeps_the_latest_items():
    queue = LatestQueue(2)
    assert [queue.put(n) for n in range(5)] == [True] * 5
    assert (queue.received, queue.dropped) == (5, 3)
    assert [queue.get(0), queue.get(0)] == [3, 4]
    with pytest.raises(TimeoutError):
        queue.get(0.01)
    queue.end(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        queue.get(None)
    with pytest.raises(QueueEnded):
        queue.get(None)
    assert not queue.put(6)


def test_results_are_in_order_and_every_frame_is_counted(painted_model, frame):
    first_result = threading.Event()
    numbers = []

    def source():
        for number in range(30):
            if number == 15:
                first_result.wait()
            marked = frame.copy()
            marked[0, 0] = number
            yield marked

    with painted_model.stream(source()) as stream:
        for result in stream:
            numbers.append(int(result.image[0, 0, 0]))
            first_result.set()
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 29
    counters = stream.counters
    assert counters.received == 30
    assert counters.done == len(numbers) >= 2
    assert counters.received == counters.done + counters.dropped


def test_bgr_frames_and_faces(painted_model, frame):
    with painted_model.stream([frame[..., ::-1]], channels="bgr") as stream:
        (result,) = stream
    assert [face.track for face in result.faces] == [0]
    np.testing.assert_array_equal(result.image, painted_model(frame).image)


def test_error_of_the_source_is_raised(painted_model, frame):
    def source():
        yield frame
        raise OSError("cable")

    stream = painted_model.stream(source())
    stream._reader.join()
    next(stream)
    with pytest.raises(OSError, match="cable"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_stalled_source_is_an_error_and_can_recover(painted_model, frame):
    go = threading.Event()

    def source():
        go.wait()
        yield frame

    stream = painted_model.stream(source(), timeout=0.05)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"no frame for 0\.05 seconds"):
            next(stream)
    go.set()
    wait_for(lambda: stream.counters.received)
    assert next(stream).faces
    assert stream.counters.stalls >= 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": "xyz"}, "channels must be 'rgb' or 'bgr', got 'xyz'"),
        ({"queue": 2**70}, "queue must be a whole number from 1 to 65536"),
    ],
)
def test_wrong_arguments_are_refused_before_any_frame(painted_model, options, words):
    with pytest.raises(InvalidInputError, match=words):
        painted_model.stream([], **options)


def test_closing_wakes_a_waiting_thread(painted_model, monkeypatch):
    never = threading.Event()

    def source():
        never.wait()
        yield

    stream = painted_model.stream(source(), timeout=None)
    get, waiting = stream._waiting.get, threading.Event()

    def noted_get(timeout):
        waiting.set()
        return get(timeout)

    monkeypatch.setattr(stream._waiting, "get", noted_get)
    ended = []
    thread = threading.Thread(target=lambda: ended.extend(stream) or ended.append("end"))
    thread.start()
    waiting.wait()
    stream.close()
    thread.join(30)
    assert ended == ["end"]
    stream.close()
    never.set()


def test_unreferenced_stream_releases_its_camera(painted_model, frame):
    plug = Plug(frame)
    for result in painted_model.stream(Camera("test", opener=plug.open)):
        assert result.faces
        break
    gc.collect()
    wait_for(lambda: plug.released == 1)
    closed = threading.Event()

    def source():
        try:
            while True:
                yield frame
                time.sleep(0.004)
        finally:
            closed.set()

    for _ in painted_model.stream(source()):
        break
    gc.collect()
    assert closed.wait(60)
    wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("unmask-")])


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        (5, {}, "iterable"),
        ("clip.mp4", {}, r"model\.video"),
        ([], {"queue": 0}, "queue must be a whole number from 1 to 65536; got 0"),
        ([], {"queue": 1.5}, "queue must be .*; got 1.5"),
        ([], {"queue": "a"}, "queue must be .*; got 'a'"),
        ([], {"timeout": 0}, "timeout must be more than 0 seconds; got 0"),
        ([], {"timeout": float("nan")}, "timeout must be .*; got nan"),
        ([], {"timeout": "x"}, "timeout must be .*; got 'x'"),
    ],
)
def test_wrong_arguments(painted_model, frames, options, words):
    with pytest.raises(InvalidInputError, match=words):
        painted_model.stream(frames, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stall": 0}, "stall must be more than 0 seconds; got 0"),
        ({"stall": "a"}, "stall must be .*; got 'a'"),
        ({"retry": -1}, "retry must be 0 seconds or more; got -1"),
        ({"source": -1}, "the index of a camera must be .* from 0 to 32768; got -1"),
        ({"source": None}, "source must be the index of a camera.*; got None"),
        ({"source": ""}, "source must be the index of a camera.*; got ''"),
        ({"size": (0, 9)}, "a side of size must be a whole number from 1 to 32768; got 0"),
        ({"size": 9}, r"size must be \(width, height\) in pixels; got 9"),
        ({"source": "rtsp://a/b", "size": (9, 9)}, "size is for devices only"),
    ],
)
def test_wrong_arguments_of_a_camera(options, words):
    with pytest.raises(InvalidInputError, match=words):
        Camera(**{"source": 0, **options})


@pytest.mark.parametrize("source", ["99", Path("/dev/video99")])
def test_camera_source_may_be_digits_or_a_path(source):
    with pytest.raises(SourceError, match="group video"):
        next(Camera(source, size=(640, 480)))


def test_camera_that_stalls_and_ends_is_opened_again(painted_model, frame):
    plug = Plug(frame)
    camera = Camera("test", stall=0.2, retry=0.02, opener=plug.open)
    stream = painted_model.stream(camera, timeout=None)
    results = []
    worker = threading.Thread(target=lambda: results.extend(stream))
    worker.start()
    wait_for(lambda: len(results) >= 2)
    assert camera.counters.opened == 1

    plug.running.clear()  # It hangs: a second connection is tried, which hangs too.
    wait_for(lambda: camera.counters.stalls >= 2)
    plug.running.set()
    done = len(results)
    wait_for(lambda: len(results) >= done + 2)
    stalls = camera.counters.stalls
    assert camera.counters.deaths == 0

    plug.there.clear()  # It is pulled out.
    wait_for(lambda: camera.counters.deaths >= 3)
    opened = plug.opened
    plug.there.set()
    done = len(results)
    wait_for(lambda: len(results) >= done + 2)
    assert plug.opened == opened + 1
    assert camera.counters.stalls == stalls

    plug.running.clear()  # Closed while it hangs, and goes on hanging.
    stream.close()
    worker.join(30)
    assert not worker.is_alive()
    counters = stream.counters
    assert counters.done == len(results)
    assert counters.received == counters.done + counters.dropped
    assert camera.counters.frames >= counters.received
    assert all(result.faces[0].masked for result in results)
    plug.running.set()  # What was left behind releases the device.
    wait_for(lambda: plug.released == plug.opened)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((48, 64, 2), np.uint8), r"uint8 \[48, 64, 2\].*raw YUYV.*COLOR_YUV2BGR_YUY2"),
        (np.zeros((72, 64), np.uint8), r"uint8 \[72, 64\].*NV12.*CAP_PROP_CONVERT_RGB"),
        (np.zeros((48, 64, 3), np.uint16), r"uint16 \[48, 64, 3\].*scale uint16 to 0 to 255"),
        (np.zeros((0, 64, 3), np.uint8), r"uint8 \[0, 64, 3\]"),
        (None, "delivers NoneType"),
    ],
)
@pytest.mark.parametrize("good", [0, 1])
def test_frames_of_another_kind_are_told_at_once(frame, wrong, words, good):
    plug = Plug(frame)
    frames = [plug.frame] * good
    plug.read = lambda: (True, frames.pop() if frames else wrong)
    camera = Camera("test", stall=30, retry=0, opener=plug.open)
    with pytest.raises(InvalidInputError, match=words):
        list(itertools.islice(camera, good + 1))
    assert camera.counters.opened == plug.opened == 1
    wait_for(lambda: plug.released == 1)


def test_four_channels_lose_their_last(frame):
    plug = Plug(np.dstack([frame, frame[..., :1]])[..., ::-1])
    plug.frame = np.dstack([frame[..., ::-1], frame[..., :1]])
    np.testing.assert_array_equal(next(Camera("test", opener=plug.open)), frame)


def test_missing_camera_is_an_error_immediately(frame):
    plug = Plug(frame)
    plug.there.clear()
    with pytest.raises(SourceError, match="cannot be opened: no such device"):
        next(Camera("test", opener=plug.open))


def test_opencv_opens_files_and_refuses_missing_sources(tmp_path, frame):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(30):
        writer.write(np.full((48, 64, 3), (250, 40, 10), np.uint8))
    writer.release()
    pictures = list(Camera(path, stall=0.001))  # A slow reader loses none, and it ends.
    assert len(pictures) == 30
    assert pictures[0].shape == (48, 64, 3)
    assert pictures[0][20, 20, 2] > 200 > pictures[0][20, 20, 0]  # RGB.
    cv2.imwrite(str(tmp_path / "0.png"), pictures[0])
    cv2.imwrite(str(tmp_path / "1.png"), pictures[0])
    assert len(list(Camera(tmp_path / "%d.png"))) == 2
    assert len(list(Camera(tmp_path / "0.png"))) == 1
    assert len(list(Camera(f"file:{path}"))) == 30
    camera = Camera(path)
    next(camera)
    camera.close()
    assert list(camera) == []
    for source, words in (
        (99, "the camera 99 cannot be opened: .*group video"),
        ("/dev/video99", "the camera '/dev/video99' cannot be opened: .*group video"),
        ("rtsp://127.0.0.1:9/a", "rtsp://127.0.0.1:9/a cannot be opened: does it answer"),
        (str(tmp_path / "none.mp4"), "none.mp4' is not a camera: .*for a video file use `unmask v"),
    ):
        with pytest.raises(SourceError, match=words):
            open_capture(source)
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        with pytest.raises(SourceError, match="without GStreamer"):
            open_capture("videotestsrc ! appsink")
