"""Times of video files: where they begin, where they begin anew, and how long the last frame is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from ffprobe import ffprobe

av = pytest.importorskip("av")


def frame_times(path):
    with av.open(str(path)) as file:
        return [float(f.pts * f.time_base) for f in file.decode(video=0)]


def sound_times(path):
    with av.open(str(path)) as file:
        return [float(p.pts * p.time_base) for p in file.demux(audio=0) if p.pts is not None]


def length(path):
    return float(ffprobe(path)["format"]["duration"])


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


# 95443.7 is where the 33-bit clock of MPEG begins anew.
@pytest.mark.parametrize("start", [3600, 95443.2])
@pytest.mark.parametrize("sound", [None, "aac"])
def test_recording_that_starts_late_starts_at_zero(painted_model, clip, tmp_path, start, sound):
    source = clip("in.ts", start=start, sound=sound)
    report = painted_model.video(source, tmp_path / "out.mp4")
    assert report.notes == ()
    assert report.length < 0.6
    assert length(tmp_path / "out.mp4") == pytest.approx(length(source), abs=0.03)
    seen = ffprobe(tmp_path / "out.mp4")
    assert float(seen["format"]["start_time"]) == 0
    steps = np.diff(frame_times(tmp_path / "out.mp4"))
    np.testing.assert_allclose(steps, 0.04, atol=1e-4)
    if sound:  # In step as before.
        before = frame_times(source)[0] - sound_times(source)[0]
        after = frame_times(tmp_path / "out.mp4")[0] - sound_times(tmp_path / "out.mp4")[0]
        assert after == pytest.approx(before, abs=1e-3)


def test_matroska_that_starts_late(painted_model, clip, tmp_path):
    source = clip("in.mkv", start=7)
    assert ffprobe(source)["format"]["start_time"].startswith("6.9")
    painted_model.video(source, tmp_path / "out.mkv")
    assert frame_times(tmp_path / "out.mkv")[0] < 0.1
    assert length(tmp_path / "out.mkv") < 0.7


@pytest.mark.parametrize("name", ["in.ts", "in.mpg"])
def test_times_that_begin_anew_go_on(painted_model, clip, tmp_path, name):
    codecs = {"codec": "mpeg2video", "sound": "mp2"} if name == "in.mpg" else {}
    part = clip(name, **codecs)
    source = joined(tmp_path / f"joined-{name}", part, part, part)
    report = painted_model.video(source, tmp_path / "out.mkv")
    (note,) = report.notes
    assert "began anew 2 times" in note
    seen = frame_times(tmp_path / "out.mkv")
    assert len(seen) == 36
    np.testing.assert_allclose(np.diff(seen), 0.04, atol=2e-3)
    heard = sound_times(tmp_path / "out.mkv")
    assert len(heard) == 3 * len(sound_times(part))
    assert heard == sorted(set(heard))
    assert heard[-1] == pytest.approx(seen[-1], abs=0.06)


def test_silence_and_a_leap_ahead_in_a_recording(painted_model, clip, tmp_path):
    late = clip("late.ts", start=5000, sound=None)
    source = joined(tmp_path / "joined.ts", clip("in.ts", sound=None), late)
    report = painted_model.video(source, tmp_path / "out.mp4")
    assert "began anew once" in report.notes[0]
    np.testing.assert_allclose(np.diff(frame_times(tmp_path / "out.mp4")), 0.04, atol=1e-4)
    assert length(tmp_path / "out.mp4") == pytest.approx(24 / 25, abs=1e-3)


def test_a_gap_elsewhere_is_kept(painted_model, clip, tmp_path):
    uneven = [0, 40, 80, 20_000, 20_040]
    source = clip("in.mp4", count=5, times=uneven, sound=None)
    report = painted_model.video(source, tmp_path / "out.mp4")
    assert report.notes == ()
    assert [round(1000 * t) for t in frame_times(tmp_path / "out.mp4")] == uneven


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_the_last_frame_lasts_as_long_as_before(painted_model, picture, tmp_path, ending):
    first, *others = [Image.fromarray(picture(step)) for step in range(3)]
    first.save(
        tmp_path / "in.gif", save_all=True, append_images=others, duration=[1000, 1000, 3000]
    )
    painted_model.video(tmp_path / "in.gif", tmp_path / f"out.{ending}")
    assert length(tmp_path / f"out.{ending}") == length(tmp_path / "in.gif") == 5
    painted_model.video(tmp_path / f"out.{ending}", tmp_path / "again.mp4")
    assert length(tmp_path / "again.mp4") == 5


def test_frames_out_of_decoding_order_do_not_lengthen_the_last(painted_model, clip, tmp_path):
    uneven = [40 * n + (2000 if n > 6 else 0) for n in range(12)]
    source = clip(times=uneven, sound=None, codec="libx264", max_b_frames=2)
    painted_model.video(source, tmp_path / "out.mp4")
    assert length(tmp_path / "out.mp4") == pytest.approx(length(source), abs=2e-3)


def test_stored_chapters_follow_the_start(painted_model, clip, tmp_path):
    plain, source = clip("plain.mkv", start=7, sound=None), tmp_path / "in.mkv"
    with av.open(str(plain)) as file, av.open(str(source), "w") as copy:
        stream = copy.add_stream_from_template(file.streams.video[0])
        base = Fraction(1, 1000)
        spans = [(1, 0, 100), (2, 7100, 7300)]  # The first lies before the file.
        chapters = [dict(zip(("id", "start", "end"), span, strict=True)) for span in spans]
        copy.set_chapters([{**chapter, "time_base": base, "metadata": {}} for chapter in chapters])
        for packet in file.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    painted_model.video(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as file:
        (chapter,) = file.chapters()
        assert chapter["start"] * chapter["time_base"] == pytest.approx(0.1, abs=0.05)
