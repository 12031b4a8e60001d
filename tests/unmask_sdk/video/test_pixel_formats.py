"""What lossless codecs keep of each pixel format."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.video.pixel_formats import planes

av = pytest.importorskip("av")


def first_frame(path):
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "form", "written"),
    [
        ("libx264rgb", "rgb24", "yuv444p"),
        ("ffv1", "bgr0", "yuv444p"),
        ("ffv1", "yuv410p", "yuv420p"),
    ],
)
def test_converted_colors_are_told(painted_model, clip, tmp_path, codec, form, written):
    source = clip("in.mkv", count=2, codec=codec, pix_fmt=form, sound=None)
    (note,) = painted_model.video(source, tmp_path / "out.mkv", codec="ffv1").notes
    assert f"{first_frame(source).format.name} became {written}" in note
    assert first_frame(tmp_path / "out.mkv").format.name == written


@pytest.mark.parametrize(
    ("codec", "form"), [("ffv1", "yuv422p"), ("ffv1", "gray"), ("rawvideo", "uyvy422")]
)
def test_other_pixels_are_kept(painted_model, clip, tmp_path, codec, form):
    source = clip("in.mkv", count=2, codec=codec, pix_fmt=form, sound=None)
    assert painted_model.video(source, tmp_path / "out.mkv", codec="ffv1").notes == ()
    after = first_frame(tmp_path / "out.mkv")
    before = first_frame(source).reformat(format=after.format.name)
    for one, other in zip(planes(before), planes(after), strict=True):
        np.testing.assert_array_equal(one[:20, :20], other[:20, :20])  # There is no face.
