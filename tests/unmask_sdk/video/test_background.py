"""Stages in threads of their own: order, bounds, errors, and videos that use them."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time

import pytest

from unmask_sdk import load
from unmask_sdk.errors import VideoWriteError
from unmask_sdk.video.background import ReadAhead, WriteBehind


def running():
    return [t for t in threading.enumerate() if t.name in ("unmask-read", "unmask-write")]


@pytest.fixture
def threaded(painted_artifacts):
    """The painted model with two threads."""
    with load("onnx", threads=2, artifacts=painted_artifacts) as model:
        yield model


def test_reading_ahead_keeps_the_order_and_ends():
    with ReadAhead(range(100), 3) as items:
        assert list(items) == list(range(100))
        assert next(items, None) is None
    assert running() == []


def test_reading_ahead_is_bounded_and_stops_at_once():
    read = []
    reached = threading.Event()

    def endless():
        for number in itertools.count():
            read.append(number)
            if number == 2:
                reached.set()
            yield number

    with ReadAhead(endless(), 3) as items:
        assert reached.wait(30)
        assert len(read) == 3  # The next is read only when there is room for it.
        assert [next(items), next(items)] == [0, 1]
    assert running() == []


def test_what_waits_is_bounded_by_weight():
    """Heavy items wait one at a time, light ones together; the order stays."""
    items, read = [b"x" * 90, b"x" * 90, *[b"x"] * 50, b"x" * 90], []
    full = threading.Event()

    def weigh(item):
        read.append(item)
        full.set()
        return len(item)

    with ReadAhead(items, 60, weigh) as ahead:
        assert full.wait(30)
        assert len(read) == 1
        assert list(ahead) == items
    written = []
    with WriteBehind(written.append, 60, len) as write:
        for item in items:
            write(item)
        write.finish()
        assert written == items
    assert running() == []


def test_an_error_of_reading_comes_after_what_was_read():
    def broken():
        yield 1
        raise OSError("cut off")

    with ReadAhead(broken(), 3) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="cut off"):
            next(items)
    assert running() == []


def test_writing_behind_keeps_the_order_and_finishes():
    written = []
    with WriteBehind(written.append, 2) as write:
        for number in range(50):
            write(number)
        write.finish()
        assert written == list(range(50))
    assert running() == []


def test_an_error_of_writing_is_raised_by_the_next_write_or_at_the_end():
    def fail(_):
        raise OSError("disk full")

    def write_many(write):
        for number in range(100):
            write(number)

    with WriteBehind(fail, 1) as write, pytest.raises(OSError, match="disk full"):
        write_many(write)
    with WriteBehind(fail, 1) as write:
        write(0)
        with pytest.raises(OSError, match="disk full"):
            write.finish()
    assert running() == []


def test_threads_change_no_frame(painted_model, threaded, clip, tmp_path):
    """Lossless, with sound and irregular times, in more frames than wait at once."""
    av = pytest.importorskip("av")
    source = clip("in.mkv", count=40, times=[40 * k + k % 3 for k in range(40)])

    def contents(path):
        with av.open(str(path)) as file:
            frames = [(f.pts, f.to_ndarray().tobytes()) for f in file.decode(video=0)]
        with av.open(str(path)) as file:
            return frames, [(p.pts, bytes(p)) for p in file.demux(audio=0)]

    reports = []
    for name, model in (("one.mkv", painted_model), ("two.mkv", threaded)):
        reports.append(model.video(source, tmp_path / name, codec="ffv1"))
    assert [(r.frames, r.masked, r.faces, r.notes) for r in reports] == [(40, 40, 1, ())] * 2
    assert contents(tmp_path / "one.mkv") == contents(tmp_path / "two.mkv")
    assert running() == []


def test_stopping_leaves_a_video_and_no_thread(threaded, clip, tmp_path):
    av = pytest.importorskip("av")
    stop, out = threading.Event(), tmp_path / "out.mkv"
    report = threaded.video(clip(count=60), out, stop=stop, progress=lambda _: stop.set())
    assert not report.complete
    with av.open(str(out)) as file:
        assert sum(1 for _ in file.decode(video=0)) == report.frames < 60
    assert running() == []


def test_failures_are_raised_and_leave_no_thread(threaded, clip, tmp_path):
    pytest.importorskip("av")
    source = clip(count=60)

    def fail(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # As a second Ctrl-C does.
        threaded.video(source, tmp_path / "out.mp4", progress=fail)
    # Few sizes have H.263, which its encoder says when it opens, at the first frame.
    with pytest.raises(VideoWriteError, match="cannot encode"):
        threaded.video(clip(count=60, sound=None), tmp_path / "out.mov", codec="h263")
    assert running() == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Windows has no pthread_kill")
@pytest.mark.parametrize("stage", ["read", "write"])
def test_a_signal_while_a_stage_ends_waits_for_its_thread(stage):
    """FFmpeg crashes if files are closed that a thread still reads or writes."""
    main, started, done = threading.get_ident(), threading.Event(), []

    def work():
        """Sends the signal when `close` waits for this thread, and goes on for a while."""
        started.set()
        while not _waits_in_close(main):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGALRM)
        time.sleep(0.3)
        done.append(stage)

    def interrupt(*_):
        raise KeyboardInterrupt

    def items():
        work()
        yield 1

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        if stage == "read":
            background = ReadAhead(items(), 2)
        else:
            background = WriteBehind(lambda _: work(), 2)
            background(1)
        assert started.wait(30)  # `close` drops what waits.
        with pytest.raises(KeyboardInterrupt):
            background.close()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == [stage]
    assert running() == []


def _waits_in_close(thread):
    """Whether a thread waits for another, in the code that ends a stage."""
    names, frame = [], sys._current_frames()[thread]
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return "_end" in names and names[0] in ("wait", "join", "_wait_for_tstate_lock")
