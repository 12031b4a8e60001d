"""HDR10, interlacing and transparency: kept, or reported as lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from ffprobe import ffprobe

av = pytest.importorskip("av")

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
SHOW = ("-show_frames", "-read_intervals", "%+#1", "-select_streams", "v:0")


@pytest.fixture
def hdr_clip(clip):
    params = f"log-level=error:master-display={DISPLAY}:max-cll=1000,400"
    tags = {"color_primaries": 9, "color_trc": 16, "colorspace": 9}
    options = {"codec": "libx265", "pix_fmt": "yuv420p10le", "params": {"x265-params": params}}
    return clip(count=3, sound=None, **options, **tags)


@pytest.fixture
def drawn(picture, tmp_path):
    """Writes RGBA frames as PNG in a .mov; from the second on, a part may be transparent."""

    def write(alpha):
        with av.open(str(tmp_path / "in.mov"), "w") as file:
            video = file.add_stream("png", rate=25)
            video.width, video.height, video.pix_fmt = 320, 240, "rgba"
            for index in range(3):
                rgba = np.dstack([picture(index), np.full((240, 320, 1), 255, np.uint8)])
                rgba[:20, :20, 3] = alpha if index else 255
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba), "rgba")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
        return tmp_path / "in.mov"

    return write


def hdr10(path):
    (first, *_) = ffprobe(path, *SHOW)["frames"]
    values = {}
    for data in first.get("side_data_list", []):
        values.update({k: v for k, v in data.items() if "side_data" not in k})
    return {k: round(float(Fraction(str(v))), 3) for k, v in values.items()}


def field_order(path):
    (stream,) = (s for s in ffprobe(path)["streams"] if s["codec_type"] == "video")
    return stream.get("field_order")


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
def test_hdr10_is_kept(painted_model, hdr_clip, tmp_path, name):
    report = painted_model.video(hdr_clip, tmp_path / name)
    assert report.notes == ()
    seen = hdr10(tmp_path / name)
    assert (seen["max_content"], seen["max_average"]) == (1000, 400)
    assert (seen["max_luminance"], seen["min_luminance"]) == (1000, 0.005)
    assert seen == hdr10(hdr_clip)


def test_hdr10_that_an_encoder_cannot_keep_is_told(painted_model, hdr_clip, tmp_path):
    (note,) = painted_model.video(hdr_clip, tmp_path / "out.mkv", codec="ffv1").notes
    assert "ffv1 cannot: HDR10 mastering display" in note


@pytest.mark.parametrize(("first", "order"), [("tff", "tt"), ("bff", "bb")])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_fields_are_kept(painted_model, clip, tmp_path, first, order, name):
    source = clip(count=3, sound=None, params={"x264-params": f"{first}=1"})
    assert field_order(source) == order
    assert painted_model.video(source, tmp_path / name).notes == ()
    if order == "tt" or hasattr(av.VideoCodecContext, "field_order"):
        assert field_order(tmp_path / name) == order


def test_fields_that_an_encoder_cannot_keep_are_told(painted_model, clip, tmp_path):
    source = clip(count=3, sound=None, params={"x264-params": "tff=1"})
    (note,) = painted_model.video(source, tmp_path / "out.webm").notes
    assert "interlaced, and libvpx-vp9" in note
    (note,) = painted_model.video(source, tmp_path / "out.mp4", codec="libx265").notes
    assert "deinterlace it first" in note
    progressive = clip("plain.mp4", count=3, sound=None)
    assert painted_model.video(progressive, tmp_path / "out.webm").notes == ()
    assert painted_model.video(progressive, tmp_path / "out.mp4").notes == ()
    assert field_order(tmp_path / "out.mp4") == "progressive"


def test_transparency_is_told_only_if_there_is_some(painted_model, clip, drawn, picture, tmp_path):
    out = tmp_path / "out.mp4"
    assert painted_model.video(drawn(128), out).notes == ("transparency was not kept",)
    assert painted_model.video(drawn(255), out).notes == ()
    Image.fromarray(picture()).save(
        tmp_path / "in.gif", save_all=True, append_images=[Image.fromarray(picture(9))]
    )
    assert painted_model.video(tmp_path / "in.gif", out).notes == ()


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
@pytest.mark.parametrize("part", [0.5, 1])
def test_transparency_of_webm_stays_in_webm(painted_model, picture, tmp_path, codec, part):
    source, out = tmp_path / "in.webm", tmp_path / "out.webm"
    alpha = np.full((240, 320), 255, np.uint8)
    alpha[:, round(320 * part) :] = 0
    with av.open(str(source), "w") as file:
        options = {"b:v": "4M", "auto-alt-ref": "0", "deadline": "realtime"}
        video = file.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = 320, 240, "yuva420p"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.dstack([picture(index), alpha]), "rgba")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(video.encode(frame.reformat(format="yuva420p")))
        file.mux(video.encode(None))
    report = painted_model.video(source, out)
    assert (report.frames, report.masked, report.notes) == (3, 3, ())
    with av.open(str(out)) as file:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        for packet in file.demux(video=0):
            for frame in decoder.decode(packet if packet.size else None):
                kept = frame.to_ndarray(format="rgba")[..., 3]
                assert np.abs(kept.astype(int) - alpha).mean() < 3
    lost = ("transparency was not kept",) if part < 1 else ()
    assert painted_model.video(source, tmp_path / "out.mp4").notes == lost
