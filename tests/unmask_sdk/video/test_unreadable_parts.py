"""Videos of which a part in the middle cannot be read."""

from __future__ import annotations

import re
import struct

import pytest

from unmask_sdk.errors import VideoReadError

av = pytest.importorskip("av")


def fragmented(path, source):
    """Copies the video of a file into an .mp4 with a fragment for each key frame."""
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(source)) as file, av.open(str(path), "w", container_options=options) as new:
        stream = new.add_stream_from_template(file.streams.video[0])
        for packet in file.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return path


def with_huge_samples(path, fragment):
    """Writes an impossible size for each sample of a fragment."""
    data = bytearray(path.read_bytes())
    place = [m.start() for m in re.finditer(b"trun", data)][fragment]  # codespell:ignore trun
    flags, count = struct.unpack_from(">II", data, place + 4)
    start = place + 12 + 4 * (bool(flags & 0x1) + bool(flags & 0x4))
    fields = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    for sample in range(count):
        at = start + 4 * (sample * len(fields) + fields.index(0x200))
        data[at : at + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    return path


def test_what_cannot_be_read_ends_the_video(painted_model, clip, tmp_path):
    source = fragmented(tmp_path / "cut.mp4", clip(count=24, params={"g": "12"}, sound=None))
    assert painted_model.video(source, tmp_path / "out.mp4").notes == ()
    report = painted_model.video(with_huge_samples(source, -1), tmp_path / "out.mp4")
    assert (report.frames, report.complete) == (12, True)
    assert any("damaged parts of the video" in note for note in report.notes)
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == 12
    with pytest.raises(VideoReadError, match="none of its video could be decoded"):
        painted_model.video(with_huge_samples(source, 0), tmp_path / "none.mp4")
    assert not (tmp_path / "none.mp4").exists()
