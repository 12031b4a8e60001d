"""What is copied along with the video, and where it is advised to go."""

from __future__ import annotations

import re

import pytest

from ffprobe import ffprobe
from unmask_sdk.errors import VideoWriteError

av = pytest.importorskip("av")


def sound(path):
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        # A format may cut it into other packets.
        return stream.codec_context.name, b"".join(bytes(p) for p in file.demux(stream))


@pytest.mark.parametrize("name", ["adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_u8"])
def test_sound_of_an_avi_goes_where_the_advice_says(painted_model, clip, tmp_path, name):
    source = clip("in.avi", count=3, codec="mpeg4", sound=name)
    with pytest.raises(VideoWriteError, match="does not support the sound") as refused:
        painted_model.video(source, tmp_path / "out.mp4")
    advised = re.findall(r"\.m\w\w", str(refused.value).rsplit("write an", 1)[1])
    assert ".mkv" in advised
    assert ".mp4" not in advised
    for ending in advised:
        report = painted_model.video(source, tmp_path / f"out{ending}")
        assert report.notes == ()
        assert sound(tmp_path / f"out{ending}") == sound(source)
    kinds = [s["codec_type"] for s in ffprobe(tmp_path / "out.mkv")["streams"]]
    assert kinds == ["video", "audio"]


def test_a_name_that_the_muxer_tee_would_read_otherwise(painted_model, clip, tmp_path):
    source = clip("in.avi", count=3, codec="mpeg4", sound="pcm_alaw", title="A walk")
    out = tmp_path / r"a|b'c[d]\e f.mkv"
    assert painted_model.video(source, out).frames == 3
    assert sound(out) == sound(source)
    with av.open(str(out)) as file:
        assert "generated" in {k.lower(): v for k, v in file.metadata.items()}["comment"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([out.name, "in.avi"])


def test_advice_never_names_what_was_just_refused(painted_model, clip, tmp_path):
    source = clip("in.mov", count=3, sound="adpcm_ima_qt")
    for ending in (".mkv", ".mp4", ".webm"):
        with pytest.raises(VideoWriteError, match=r"\(adpcm_ima_qt\); write an \.mov$"):
            painted_model.video(source, tmp_path / f"out{ending}")
    painted_model.video(source, tmp_path / "out.mov")
    assert sound(tmp_path / "out.mov") == sound(source)


@pytest.mark.parametrize("form", ["gray16le", "yuv444p16le"])
def test_advice_for_sixteen_bits_is_true(painted_model, clip, tmp_path, form):
    source = clip("in.mkv", count=3, codec="ffv1", pix_fmt=form, sound=None)
    for ending in (".mkv", ".mp4", ".webm"):
        with pytest.raises(VideoWriteError, match=r"16 bits; write an \.mkv with the codec ffv1$"):
            painted_model.video(source, tmp_path / f"out{ending}")
    assert painted_model.video(source, tmp_path / "out.mkv", codec="ffv1").frames == 3


def test_default_and_forced_tracks_are_kept(painted_model, clip, tmp_path):
    plain, source = clip("plain.mkv", count=3), tmp_path / "in.mkv"
    words = tmp_path / "a.srt"
    words.write_text("1\n00:00:00,010 --> 00:00:00,090\nHello\n", encoding="utf-8")
    with av.open(str(plain)) as file, av.open(str(words)) as text, av.open(str(source), "w") as new:
        audio, subtitle = file.streams.audio[0], text.streams.subtitles[0]
        streams = [new.add_stream_from_template(file.streams.video[0])]
        streams += [new.add_stream_from_template(audio) for _ in range(2)]
        streams += [new.add_stream_from_template(subtitle) for _ in range(2)]
        for stream, flags in zip(streams, ("default", "", "default", "", "forced"), strict=True):
            stream.disposition = av.stream.Disposition[flags] if flags else 0
        for packet in (*file.demux(), *text.demux()):
            if packet.dts is None:
                continue
            targets = {"video": streams[:1], "audio": streams[1:3], "subtitle": streams[3:]}
            for target in targets[packet.stream.type]:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.duration, copy.stream = packet.duration, target
                copy.is_keyframe = packet.is_keyframe
                new.mux(copy)
    painted_model.video(source, tmp_path / "out.mkv")

    def flags(path):
        kept = ("default", "forced")
        return [[s["disposition"][k] for k in kept] for s in ffprobe(path)["streams"]]

    assert flags(source) == [[1, 0], [0, 0], [1, 0], [0, 0], [0, 1]]
    assert flags(tmp_path / "out.mkv") == flags(source)


def test_sound_that_is_refused_with_the_header_is_named(painted_model, clip, tmp_path):
    source = clip("in.webm", count=3, codec="libvpx-vp9", sound="libopus")
    with pytest.raises(VideoWriteError, match=r"of .*in\.webm \(opus\); write an ") as refused:
        painted_model.video(source, tmp_path / "out.mov")
    assert "file:" not in str(refused.value)
    advised = re.findall(r"\.m\w\w", str(refused.value).rsplit("write an", 1)[1])
    assert advised == [".mkv", ".mp4"]
    for ending in advised:
        painted_model.video(source, tmp_path / f"out{ending}")
        assert sound(tmp_path / f"out{ending}") == sound(source)


def test_videos_at_which_x265_would_crash_are_refused(painted_model, clip, tmp_path):
    source = clip("in.mkv", count=2, codec="ffv1", pix_fmt="yuv420p10le", sound=None, width=48)
    with pytest.raises(VideoWriteError, match=r"narrower than 64 pixels; .*the codec ffv1"):
        painted_model.video(source, tmp_path / "out.mp4")
    assert painted_model.video(source, tmp_path / "out.mkv", codec="ffv1").frames == 2
