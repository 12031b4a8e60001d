"""Encoders: hardware ones by name, fast presets, and what limits threads and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask_sdk.errors import VideoWriteError
from unmask_sdk.video.encoders import AV1, H264, H265, VP9, choose_encoder, container_of
from unmask_sdk.video.hardware_encoders import arranged_format, hardware_encoders
from unmask_sdk.video.pixel_formats import pixel_format_of

av = pytest.importorskip("av")

MP4, WEBM = container_of(Path("a.mp4")), container_of(Path("a.webm"))


def pixels(width=1280, height=720, form="yuv420p"):
    return pixel_format_of(av.VideoFrame(width, height, form))


def test_hardware_encoders_are_those_of_this_ffmpeg():
    names = hardware_encoders()
    assert names == sorted(set(names))
    assert not {"libx264", "libx265", "mpeg4", "h264"} & set(names)
    for name in names:
        assert av.Codec(name, "w").is_encoder


def test_a_hardware_encoder_opens_or_is_refused_before_any_work(painted_model, clip, tmp_path):
    source, done = clip(), []
    for name in hardware_encoders():
        if "264" not in name:
            continue
        try:
            painted_model.video(source, tmp_path / "out.mp4", codec=name, progress=done.append)
        except VideoWriteError as error:
            refused = str(error)
            assert refused.startswith(f"{name} does not ")
            assert "on this device" in refused or "does not support" in refused
            if "on this device" in refused:
                assert all(other in refused for other in hardware_encoders())
            assert done == []
            assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
        else:
            with av.open(str(tmp_path / "out.mp4")) as file:
                assert file.streams.video[0].codec_context.name == "h264"
            (tmp_path / "out.mp4").unlink()
            done.clear()


def test_planes_are_arranged_only_where_nothing_is_lost():
    assert arranged_format("yuv420p", {"nv12", "qsv"}) == "nv12"
    assert arranged_format("yuv420p", {"nv12", "yuv420p"}) == "yuv420p"
    assert arranged_format("yuv420p10le", {"nv12", "p010le"}) == "p010le"
    assert arranged_format("yuv420p10le", {"nv12"}) == "yuv420p10le"
    assert arranged_format("yuv444p", {"nv12"}) == "yuv444p"


def test_fast_takes_another_preset_at_the_same_quality():
    for container, form, encoder in (
        (MP4, "yuv420p", H264),
        (MP4, "yuv420p10le", H265),
        (WEBM, "yuv420p", VP9),
        (WEBM, "yuv420p10le", AV1),
    ):
        usual, fast = (
            choose_encoder(container, pixels(form=form), None, None, fast=fast)
            for fast in (False, True)
        )
        assert usual.name == fast.name == encoder.name
        assert usual.crf == fast.crf
        changed = {k for k in fast.options if fast.options[k] != usual.options.get(k)}
        assert changed == {k for k, v in encoder.fast_options.items()}


def test_fast_writes_a_video(painted_model, clip, tmp_path):
    report = painted_model.video(clip(), tmp_path / "out.mp4", fast=True)
    assert (report.frames, report.masked, report.notes) == (12, 12, ())


def test_threads_and_memory_are_limited_by_options_where_the_number_does_not():
    usual = choose_encoder(MP4, pixels(1280, 720), None, None)
    assert usual.options["rc-lookahead"] == "10"
    for fast in (False, True):
        large = choose_encoder(MP4, pixels(3840, 2160), None, None, fast=fast)
        assert large.options["rc-lookahead"] == "3"
    deep = choose_encoder(MP4, pixels(form="yuv420p10le"), None, None, threads=2)
    assert deep.options["x265-params"].endswith(":pools=2")
    webm = choose_encoder(WEBM, pixels(form="yuv420p10le"), None, None, threads=16)
    assert webm.options["svtav1-params"] == "lp=6"
