"""`unmask video` and `unmask camera` as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

EYES = np.array([[130.0, 70.0], [190.0, 70.0]])
WIDTH, HEIGHT = 320, 240
START = "from unmask_sdk.cli import main; main()"


@pytest.fixture
def unmask(painted_artifacts: Path, tmp_path: Path):
    """Starts `unmask` in `tmp_path`."""

    def run(command: str, *arguments: object, start: str = START, **options) -> subprocess.Popen:
        fixed = ["--artifacts", str(painted_artifacts), "--runtime", "onnx"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            [sys.executable, "-c", start, command, *fixed, *map(str, arguments)],
            cwd=tmp_path,
            **{**pipes, **options},
        )

    return run


@pytest.fixture
def picture(painter, backdrop):
    return painter(backdrop[120:360, 160:480], EYES)


@pytest.fixture
def clip(picture, tmp_path):
    def write(count: int) -> Path:
        with av.open(str(tmp_path / "in.mp4"), "w") as file:
            video = file.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
        return tmp_path / "in.mp4"

    return write


def count(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


def test_a_video(unmask, clip, tmp_path):
    clip(10)
    out, messages = (b.decode() for b in unmask("video", "in.mp4", "-o", "out.mp4").communicate())
    assert out.startswith("out.mp4: 10 frames, 10 unmasked, 1 face, "), messages
    assert not messages
    assert count(tmp_path / "out.mp4") == 10


@pytest.mark.slow
def test_a_second_signal_leaves_no_file(unmask, clip, tmp_path):
    """With stages in threads, which all end."""
    clip(600)
    process = unmask("video", "in.mp4", "-o", "out.mp4", "--threads", 2)
    while not list(tmp_path.glob(".*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 143
    # The first may have ended it already.
    assert messages.decode().startswith(("unmask: terminated", "unmask: interrupted; out.mp4"))
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.slow
def test_a_video_as_json_and_in_silence(unmask, clip, tmp_path):
    clip(4)
    out, messages = unmask("video", "in.mp4", "-o", "out.mp4", "--json").communicate()
    assert not messages
    report = json.loads(out)
    assert list(report) == [
        "source", "output", "frames", "masked", "faces", "seconds", "length", "complete", "notes",
        "error",
    ]  # fmt: skip
    assert (report["source"], report["output"]) == ("in.mp4", "out.mp4")
    assert (report["frames"], report["masked"], report["faces"]) == (4, 4, 1)
    assert (report["complete"], report["error"]) == (True, None)
    assert unmask("video", "in.mp4", "-o", "out.mp4", "-q").communicate() == (b"", b"")
    out, _ = unmask("video", "none.mp4", "-o", "out.mp4", "--json").communicate()
    assert json.loads(out)["error"]["type"] == "VideoReadError"


@pytest.mark.slow
def test_folders_are_made_once_all_else_is_right(unmask, clip, tmp_path, locked):
    clip(2)
    for arguments, words in (
        (("none.mp4", "-o", "new/out.mp4"), "none.mp4 does not exist"),
        (("in.mp4", "-o", "new/out.txt"), "use one of .mp4"),
        (("in.mp4", "-o", "in.mp4/out.mp4"), "in.mp4 is a file, not a folder"),
        (("in.mp4", "-o", locked / "out.mp4"), f"{locked} is not writable"),
    ):
        process = unmask("video", *arguments)
        _, messages = process.communicate(timeout=60)
        assert process.returncode == 1
        assert words in messages.decode()
        assert not (tmp_path / "new").exists()
    out, messages = unmask("video", "in.mp4", "-o", "new/deep/out.mp4").communicate()
    assert out.startswith(b"new/deep/out.mp4: 2 frames"), messages
    assert count(tmp_path / "new" / "deep" / "out.mp4") == 2


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])  # In one thread, and with stages in threads.
@pytest.mark.parametrize(
    ("name", "times", "code"),
    # A shell and the kernel both send SIGHUP when a terminal closes.
    [("SIGINT", 1, 130), ("SIGTERM", 1, 143), ("SIGHUP", 2, 129)],
)
def test_what_was_done_is_kept(unmask, clip, tmp_path, name, times, code, threads):
    sent = getattr(signal, name, None)
    if sent is None:
        pytest.skip(f"this system has no {name}")
    clip(600)
    process = unmask("video", "in.mp4", "-o", "out.mp4", "--threads", threads)
    while not list(tmp_path.glob(".*.part")):  # From then on it is running.
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(times):
        process.send_signal(sent)
        time.sleep(0.05)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == code
    assert messages.decode().startswith("unmask: interrupted; out.mp4 holds the first ")
    assert messages.count(b"\n") == 1
    assert 0 < count(tmp_path / "out.mp4") < 600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.slow
def test_failures_are_one_line(unmask, clip, tmp_path):
    clip(2)
    for arguments, words in (
        (("video", "in.mp4", "-o", "out.txt"), "use one of .mp4"),
        (("video", "none.mp4", "-o", "out.mp4"), "none.mp4 does not exist"),
        (("video", "https://example.com/a.mp4", "-o", "out.mp4"), "download it"),
        (("camera", "-"), "--size WIDTHxHEIGHT"),
        (("camera", "-", "--size", "big"), "must look like 1280x720"),
        (("camera", "none.mp4", "--out", "-"), "for a video file use `unmask video`"),
        (("camera", "7", "--out", "-"), "the camera 7 cannot be opened"),
        (("camera", "rtsp://127.0.0.1:9/a", "--out", "-"), "cannot be opened: does it answer"),
        (("camera", "a ! appsink", "--out", "-"), ""),
    ):
        process = unmask(*arguments)
        out, messages = process.communicate(timeout=60)
        assert process.returncode == 1
        assert out == b""
        (line,) = messages.decode().splitlines()
        assert line.startswith("unmask: error: ")
        assert words in line


@pytest.mark.slow
def test_a_file_is_safe_until_there_is_a_frame(unmask, picture, tmp_path):
    for name in ("keep.rgb", "victim.jpg", "cam.mp4", "cam.AVI"):
        (tmp_path / name).write_bytes(picture.tobytes())
    (tmp_path / "folder.rgb").mkdir()
    size = ("--size", f"{WIDTH}x{HEIGHT}")
    for arguments, words in (
        (("7", "-o", "keep.rgb"), "the camera 7 cannot be opened"),
        (("-", *size, "-o", "keep.rgb"), "keep.rgb is the file that is read"),
        (("keep.rgb", "-o", "./keep.rgb"), "keep.rgb is the file that is read"),
        (("-", *size, "-o", "victim.jpg"), "victim.rgb, or encode it with ffmpeg"),
        (("-", *size, "-o", "cam.mp4"), "only raw RGB is written, not .mp4"),
        (("-", *size, "-o", "cam.AVI"), "only raw RGB is written, not .AVI"),
        (("-", *size, "-o", "folder.rgb"), "folder.rgb is a folder"),
        (("-", *size, "-o", "keep.rgb/out.rgb"), "keep.rgb is a file, not a folder"),
    ):
        with open(tmp_path / "keep.rgb", "rb") as stdin:
            process = unmask("camera", *arguments, stdin=stdin)
            _, messages = process.communicate(timeout=60)
        assert process.returncode == 1
        assert words in messages.decode()
    for name in ("keep.rgb", "victim.jpg", "cam.mp4", "cam.AVI"):
        assert (tmp_path / name).read_bytes() == picture.tobytes()
    with open(tmp_path / "keep.rgb", "rb") as stdin:
        process = unmask("camera", "-", *size, "-o", "new/deep/out.rgb", stdin=stdin)
        process.communicate(timeout=60)
    assert process.returncode == 0
    written = (tmp_path / "new" / "deep" / "out.rgb").read_bytes()
    assert len(written) == picture.size
    assert written != picture.tobytes()


@pytest.mark.slow
def test_raw_frames_through_pipes(unmask, picture, painted_model):
    from unmask_sdk import Session

    frames = [np.roll(picture, shift, axis=1) for shift in range(4)]
    process = unmask("camera", "-", "--size", f"{WIDTH}x{HEIGHT}")
    out, messages = process.communicate(b"".join(f.tobytes() for f in frames), timeout=60)
    assert process.returncode == 0, messages
    session = Session(painted_model)
    assert out == b"".join(session(frame).image.tobytes() for frame in frames)
    process = unmask("camera", "-", "--size", f"{WIDTH}x{HEIGHT}")
    out, messages = process.communicate(frames[0].tobytes() + b"abc", timeout=60)
    assert process.returncode == 1
    assert len(out) == frames[0].size
    assert "after 3 of its 230400 bytes" in messages.decode()


def test_a_reader_that_has_enough(unmask, picture):
    process = unmask("camera", "-", "--size", f"{WIDTH}x{HEIGHT}")
    process.stdin.write(picture.tobytes())
    process.stdin.flush()
    assert len(process.stdout.read(picture.size)) == picture.size
    process.stdout.close()
    try:
        while process.poll() is None:
            process.stdin.write(picture.tobytes())
    except BrokenPipeError:
        pass
    assert process.wait(30) == 0
    assert process.stderr.read() == b""


def test_a_capture_to_a_pipe(unmask, clip, picture):
    clip(40)
    process = unmask("camera", "in.mp4", "--out", "-")
    assert len(process.stdout.read(picture.size)) == picture.size
    process.stdout.close()
    assert process.wait(30) == 0
    assert "frames, " in process.stderr.read().decode()


def test_a_file_as_a_camera_ends_and_loses_no_frame(unmask, clip, picture, tmp_path):
    clip(12)
    process = unmask("camera", "in.mp4", "-o", "out.rgb")
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 0
    assert messages.decode() == "unmask: 12 frames, all shown\n"
    assert (tmp_path / "out.rgb").stat().st_size == 12 * picture.size


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_a_terminal_that_closes_leaves_a_video(unmask, clip, tmp_path):
    import pty

    clip(600)
    ours, theirs = pty.openpty()
    code = "import fcntl, os, termios; os.setsid(); fcntl.ioctl(2, termios.TIOCSCTTY, 0)\n"
    code += START
    # The same command line, with the terminal as the one that controls it.
    process = unmask("video", "in.mp4", "-o", "out.mp4", start=code, stdout=theirs, stderr=theirs)
    os.close(theirs)
    while not list(tmp_path.glob(".*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    os.close(ours)
    assert process.wait(60) == 129
    assert 0 < count(tmp_path / "out.mp4") < 600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_frames_are_not_written_to_a_closed_stream(unmask, picture):
    start = f"import sys; sys.stdout.close()\n{START}"
    size = ("--size", f"{WIDTH}x{HEIGHT}")
    process = unmask("camera", "-", *size, "-o", "-", start=start)
    _, messages = process.communicate(picture.tobytes(), timeout=60)
    assert process.returncode == 1
    assert messages.startswith(b"unmask: error: standard output is closed; pipe it into a program")
    start = f"import sys; sys.stdin = None\n{START}"
    process = unmask("camera", "-", *size, start=start)
    out, messages = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    assert messages.startswith(b"unmask: error: standard input is closed; pipe the data into the")


def test_sigterm_ends_a_camera_tidily(unmask, picture):
    process = unmask("camera", "-", "--size", f"{WIDTH}x{HEIGHT}")
    process.stdin.write(picture.tobytes())
    process.stdin.flush()
    assert len(process.stdout.read(picture.size)) == picture.size
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert process.stderr.read() == b"unmask: terminated\n"
