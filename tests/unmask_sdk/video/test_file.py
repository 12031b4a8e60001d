"""Video files: frames, times, sound, colors, and errors."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from unmask_sdk.errors import InvalidInputError, VideoReadError, VideoWriteError
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.video.file import unmask_video
from unmask_sdk.video.pixel_formats import FULL, LIMITED, Turn, pixel_format_of, planes
from video_clips import EYES, HEIGHT, SOUND, WIDTH

av = pytest.importorskip("av")

SKIN = (200, 150, 120)


def mouth(step=0):
    inverse = np.linalg.inv(np.vstack([crop_matrix(EYES + np.array([step, 0.0])), [0, 0, 1]]))[:2]
    x, y = np.rint(transform_points(inverse, [128, 175])).astype(int)
    return y, x


def frames(path):
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def times(path):
    return [frame.pts * frame.time_base for frame in frames(path)]


def packets(path, kind="audio"):
    with av.open(str(path)) as file:
        found = [p for p in file.demux(**{kind: 0}) if p.dts is not None]
        return [(p.pts * p.time_base, bytes(p)) for p in found]


def rgb(frame):
    form = pixel_format_of(frame)
    return form.rgb(form.prepare(frame))


def check_skin(path, count=12):
    found = frames(path)
    assert len(found) == count
    for step in (0, count // 2, count - 1):
        seen = rgb(found[step])[mouth(step)].astype(int)
        assert np.abs(seen - SKIN).max() <= 12, (step, seen)


def test_frames_times_and_sound_are_kept(painted_model, clip, tmp_path):
    source, out = clip(title="A walk"), tmp_path / "out.mp4"
    reports = []
    report = painted_model.video(source, out, progress=reports.append)
    assert (report.frames, report.masked, report.faces) == (12, 12, 1)
    assert report.complete
    assert report.notes == ()
    assert [(p.frames, p.total) for p in reports] == [(8, 12), (12, 12)]
    check_skin(out)
    assert times(out) == times(source)
    assert packets(out) == packets(source)
    with av.open(str(out)) as file:
        assert file.metadata["title"] == "A walk"
        assert "generated" in file.metadata["comment"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_pixels_away_from_the_mask_are_unchanged(painted_model, clip, tmp_path):
    """Uses a lossless encoder, so that only our changes are compared."""
    source, out = clip(pix_fmt="yuv444p10le", codec="ffv1", name="in.mkv"), tmp_path / "out.mkv"
    painted_model.video(source, out, codec="ffv1")
    for step, (a, b) in enumerate(zip(frames(source), frames(out), strict=True)):
        before, after = np.array(planes(a)), np.array(planes(b))
        assert after.dtype == np.uint16
        changed = (before != after).any(0)
        assert changed[mouth(step)]
        y, x = np.nonzero(changed)
        assert y.min() > 80  # The patch begins at 88, the seam six before.
        assert x.min() > 95 + step
        assert changed.mean() < 0.2


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p", "gray"])
def test_sampling_is_kept(painted_model, clip, tmp_path, form):
    source = clip(pix_fmt=form, codec="ffv1", name="in.mkv", sound=None)
    painted_model.video(source, tmp_path / "out.mkv", codec="ffv1")
    found = frames(tmp_path / "out.mkv")
    assert found[0].format.name == form
    if form == "gray":  # No blue, no mask: all of it is as it was.
        for a, b in zip(frames(source), found, strict=True):
            np.testing.assert_array_equal(a.to_ndarray(), b.to_ndarray())
    else:
        check_skin(tmp_path / "out.mkv")


def test_irregular_times_are_kept(painted_model, clip, tmp_path):
    uneven = [0, 40, 47, 140, 141, 300, 305, 450, 800, 810, 1500, 1533]
    for name in ("a.mp4", "a.mkv"):
        source = clip(f"in-{name}", times=uneven)
        painted_model.video(source, tmp_path / name)
        seen = [round(1000 * float(t)) for t in times(tmp_path / name)]
        assert seen == [round(1000 * float(t)) for t in times(source)] == uneven


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_video_is_stored_upright(painted_model, clip, tmp_path, turn):
    sides = {"width": HEIGHT, "height": WIDTH} if turn % 180 else {}
    source, out = clip(turn=turn, **sides), tmp_path / "out.mp4"
    assert frames(source)[0].rotation % 360 == turn
    painted_model.video(source, out)
    (first, *_) = frames(out)
    assert (first.width, first.height, first.rotation) == (WIDTH, HEIGHT, 0)
    check_skin(out)


def test_turns_cover_the_eight_orientations():
    stored = np.arange(6).reshape(2, 3)
    upright = {
        tuple(Turn(*flags)(stored).ravel()) for flags in itertools.product((False, True), repeat=3)
    }
    assert len(upright) == 8


@pytest.mark.parametrize(("matrix", "span"), [(1, LIMITED), (5, FULL), (9, LIMITED)])
def test_color_tags_are_kept(painted_model, clip, tmp_path, matrix, span):
    tags = {"colorspace": matrix, "color_range": span, "color_primaries": 1, "color_trc": 1}
    source, out = clip(**tags), tmp_path / "out.mp4"
    painted_model.video(source, out)
    check_skin(out)
    with av.open(str(out)) as file:
        context = file.streams.video[0].codec_context
        assert {name: getattr(context, name) for name in tags} == tags


def test_ten_bits_stay_ten(painted_model, clip, tmp_path):
    source = clip(pix_fmt="yuv420p10le", sound=None)
    painted_model.video(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.codec_tag) == ("hevc", "yuv420p10le", "hvc1")
    check_skin(tmp_path / "out.mp4")


def test_webm(painted_model, clip, tmp_path):
    source = clip("in.mkv", sound="libopus")
    painted_model.video(source, tmp_path / "out.webm")
    check_skin(tmp_path / "out.webm")
    assert [b for _, b in packets(tmp_path / "out.webm")] == [b for _, b in packets(source)]


def test_encoder_without_constant_quality(painted_model, clip, tmp_path):
    painted_model.video(clip(), tmp_path / "out.mp4", codec="mpeg4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "mpeg4"
    check_skin(tmp_path / "out.mp4")


def test_odd_sides(painted_model, clip, tmp_path):
    """Players need even ones; an encoder of one's own choice keeps them."""
    source = clip("in.mkv", width=319, height=239, codec="ffv1", sound=None)
    before = planes(frames(source)[0])[0]
    for name in ("out.mp4", "out.mkv", "out.webm"):
        (note,) = painted_model.video(source, tmp_path / name).notes
        assert "319x239 became 320x240" in note
        (first, *_) = frames(tmp_path / name)
        assert (first.width, first.height, first.format.name) == (320, 240, "yuv420p")
        after = planes(first)[0].astype(int)
        assert np.abs(after[:60, 319] - before[:60, 318]).mean() < 4
        check_skin(tmp_path / name)
    (note,) = painted_model.video(source, tmp_path / "out.mkv", codec="ffv1").notes
    assert "yuv420p became yuv444p" in note
    (first, *_) = frames(tmp_path / "out.mkv")
    assert (first.width, first.height) == (319, 239)


def test_what_players_do_not_play_is_told(painted_model, clip, tmp_path):
    rgb_source = clip("rgb.mkv", codec="libx264rgb", pix_fmt="rgb24", sound=None)
    assert painted_model.video(rgb_source, tmp_path / "out.mp4").notes == ()
    assert frames(tmp_path / "out.mp4")[0].format.name == "yuv420p"
    check_skin(tmp_path / "out.mp4")
    source = clip("444.mkv", pix_fmt="yuv444p", sound=None)
    (note,) = painted_model.video(source, tmp_path / "out.mp4").notes
    assert "often do not play libx264 with yuv444p" in note
    assert frames(tmp_path / "out.mp4")[0].format.name == "yuv444p"


def test_subtitles_are_copied_or_noted_as_left_out(painted_model, clip, tmp_path):
    words = tmp_path / "a.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n", encoding="utf-8")
    with av.open(str(words)) as text:
        source = clip("in.mkv", subtitles=text.streams.subtitles[0])
    report = painted_model.video(source, tmp_path / "out.mkv")
    assert report.notes == ()
    assert packets(tmp_path / "out.mkv", "subtitles") == packets(source, "subtitles")
    report = painted_model.video(source, tmp_path / "out.mp4")
    (note,) = report.notes
    assert "subtitle, srt" in note
    check_skin(tmp_path / "out.mp4")


def test_progress_of_a_clip_shorter_than_a_batch(painted_model, clip, tmp_path):
    reports = []
    painted_model.video(clip(count=5), tmp_path / "out.mp4", progress=reports.append)
    assert [(p.frames, p.total) for p in reports] == [(5, 5)]


CTRL_C = """
import signal, sys, unmask_sdk
from unmask_sdk.video.file import VideoInterrupted

artifacts, source, out = sys.argv[1:]
before = signal.getsignal(signal.SIGINT)
pressed = []

def press(_):
    if not pressed:
        pressed.append(True)
        signal.raise_signal(signal.SIGINT)

with unmask_sdk.load("onnx", threads=1, artifacts=artifacts) as model:
    try:
        model.video(source, out, progress=press)
    except VideoInterrupted as interrupted:
        assert isinstance(interrupted, KeyboardInterrupt)
        assert signal.getsignal(signal.SIGINT) is before
        print(interrupted.report.frames)
"""


def test_ctrl_c_keeps_the_frames_that_were_done(painted_artifacts, clip, tmp_path):
    """In a separate process, because signals affect the complete process."""
    source, out = clip(count=40), tmp_path / "out.mp4"
    command = [sys.executable, "-c", CTRL_C, painted_artifacts, source, out]
    frames = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    done = times(out)
    assert 8 <= len(done) == int(frames) < 40
    assert done == times(source)[: len(done)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_stopping_from_another_thread(painted_model, clip, tmp_path):
    stop = threading.Event()
    out = tmp_path / "out.mkv"
    report = painted_model.video(clip(count=40), out, stop=stop, progress=lambda _: stop.set())
    assert not report.complete
    assert len(frames(out)) == report.frames < 40


def test_failure_leaves_no_file(painted_model, clip, tmp_path):
    source, out = clip(), tmp_path / "out.mp4"
    out.write_bytes(b"precious")

    def fail(_):
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        painted_model.video(source, out, progress=fail)
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.mkv", "in.mp4", "in.flv", "in.avi"])
def test_truncated_video_is_processed_up_to_its_end(painted_model, clip, tmp_path, name):
    whole = clip(name, count=30, codec="mpeg4" if name == "in.avi" else "libx264")
    report = painted_model.video(whole, tmp_path / "whole.mkv")
    assert (report.frames, report.notes) == (30, ())
    # After its index, if that is at the end.
    if name == "in.mp4":
        whole = tmp_path / "whole.mp4"
        painted_model.video(tmp_path / "in.mp4", whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{whole.suffix}"
    cut.write_bytes(data[: len(data) * 2 // 3])
    report = painted_model.video(cut, tmp_path / "out.mkv")
    assert 0 < report.frames < 30
    assert report.complete
    assert "it is cut off" in report.notes[-1]
    assert str(cut) in report.notes[-1]
    assert len(frames(tmp_path / "out.mkv")) == report.frames


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.mkv", "in.mp4", "in.mov", "in.avi", "in.ts", "in.flv"])
@pytest.mark.parametrize("seconds", [0.4, 1.1, 3])
def test_sound_of_another_length_is_not_a_truncation(painted_model, clip, tmp_path, name, seconds):
    source = clip(name, count=25, codec="mpeg4" if name == "in.avi" else "libx264", heard=seconds)
    report = painted_model.video(source, tmp_path / "out.mkv")
    assert (report.frames, report.notes) == (25, ())


def test_inputs_that_are_not_videos_are_refused(painted_model, clip, tmp_path):
    out = tmp_path / "out.mp4"
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    sound = tmp_path / "sound.mka"
    with av.open(str(sound), "w") as file:
        audio = file.add_stream("flac", rate=SOUND, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), "s16", "mono")
        samples.sample_rate = SOUND
        file.mux(audio.encode(samples))
        file.mux(audio.encode(None))
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip()}\n", "utf-8")
    for path, words in (
        (playlist, "not a video that can be read"),
        (tmp_path / "none.mp4", "does not exist"),
        (tmp_path, "is a folder"),
        (noise, "not a video that can be read"),
        (sound, "has no video, only audio"),
    ):
        with pytest.raises(VideoReadError, match=words):
            unmask_video(painted_model, path, out)
    assert not out.exists()


def test_impossible_outputs_are_refused(painted_model, clip, tmp_path):
    source = clip()
    (tmp_path / "folder.mp4").mkdir()
    for name, options, error, words in (
        ("out.gif", {}, VideoWriteError, r"use one of \.mp4"),
        ("in.mp4", {}, InvalidInputError, "is the video to read"),
        ("none/out.mp4", {}, VideoWriteError, "there is no folder .*none; create it first"),
        ("folder.mp4", {}, VideoWriteError, "it is a folder"),
        ("out.webm", {}, VideoWriteError, r"does not support the sound of .* \(aac\)"),
        ("out.mp4", {"codec": "libx999"}, VideoWriteError, "no encoder libx999"),
        ("out.webm", {"codec": "ffv1"}, VideoWriteError, "does not support 'ffv1'"),
        ("out.mp4", {"codec": "prores_ks"}, VideoWriteError, "does not support yuv420p"),
        ("x" * 300 + ".mp4", {}, VideoWriteError, "File name too long; choose another name"),
        ("\0.mp4", {}, InvalidInputError, "target is not a valid path, it has a null character"),
        ("out.mp4", {"codec": 5}, InvalidInputError, "codec must be a name; got 5"),
        ("out.mp4", {"codec": ""}, InvalidInputError, "codec must be a name; got ''"),
        ("out.mp4", {"codec": "libmp3lame"}, VideoWriteError, "libmp3lame is not a video encoder"),
        ("out.mp4", {"crf": 99}, InvalidInputError, "crf .* libx264 .* from 0 to 51; got 99"),
        ("out.mp4", {"crf": "18"}, InvalidInputError, "crf .* must be .*; got '18'"),
        ("out.mp4", {"stop": True}, InvalidInputError, r"stop must be .*\.Event; got True"),
        ("out.mp4", {"progress": 5}, InvalidInputError, "progress must be a function"),
        ("out.mp4", {"codec": "mpeg4", "crf": 9}, InvalidInputError, "crf is supported by"),
    ):
        with pytest.raises(error, match=words):
            unmask_video(painted_model, source, tmp_path / name, **options)
    with pytest.raises(InvalidInputError, match="target must be a path; got None"):
        unmask_video(painted_model, source, None)
    with pytest.raises(InvalidInputError, match="target is an empty path"):
        unmask_video(painted_model, source, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.mp4", "in.mp4"]


def test_locked_folder_is_named_before_any_work(painted_model, clip, locked):
    source, reports = clip(count=20), []
    with pytest.raises(VideoWriteError, match=f"the folder {locked} is not writable"):
        unmask_video(painted_model, source, locked / "out.mp4", progress=reports.append)
    assert reports == []


@pytest.mark.slow
def test_folder_lost_while_writing_is_our_error(painted_model, clip, tmp_path):
    source, out = clip(count=40), tmp_path / "out" / "out.mp4"
    out.parent.mkdir()

    def lose(_):
        if out.parent.is_dir():
            shutil.rmtree(out.parent)
            out.parent.write_bytes(b"")  # From now on, removing the part fails as well.

    with pytest.raises(VideoWriteError, match=r"cannot write .*: Not a directory"):
        unmask_video(painted_model, source, out, progress=lose)
