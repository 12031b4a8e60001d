"""Clips with a masked face that moves, written by real encoders."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from unmask_sdk.video.pixel_formats import LIMITED
from video_clips import EYES, HEIGHT, RATE, SOUND, WIDTH


@pytest.fixture
def picture(painter, backdrop):
    """A masked face that moves to the right, pixel by pixel."""

    def frame(step=0):
        return painter(backdrop[120:360, 160:480], EYES + np.array([step, 0.0]))

    return frame


@pytest.fixture
def clip(picture, tmp_path):
    """Writes a clip; options are those of the stream, `times` of the frames in 1/1000 s."""

    av = pytest.importorskip("av")

    def write(name="in.mp4", *, count=12, codec="libx264", times=None, sound="aac", **options):
        path = tmp_path / name
        heard = options.pop("heard", count / RATE)
        turn = options.pop("turn", None)
        title = options.pop("title", None)
        subtitles = options.pop("subtitles", None)
        params = options.pop("params", {})
        tags = options.pop("tags", {})
        start = {"output_ts_offset": str(options.pop("start", 0))}
        quality = {"crf": "4", "preset": "ultrafast"} if codec.startswith("libx26") else {}
        with av.open(str(path), "w", container_options=start) as file:
            video = file.add_stream(codec, rate=RATE, options={**quality, **params})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
            for key, value in options.items():
                setattr(video.codec_context, key, value)
            if turn is not None:
                video.set_display_rotation(turn)
            video.metadata.update(tags)
            if title is not None:
                file.metadata["title"] = title
            audio = file.add_stream(sound, rate=SOUND, layout="mono") if sound else None
            words = file.add_stream_from_template(subtitles, opaque=True) if subtitles else None
            for index in range(count):
                rgb = np.rot90(picture(index), -(turn or 0) // 90)
                matrix, span = options.get("colorspace", 5), options.get("color_range", LIMITED)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb)).reformat(
                    width=video.width,
                    height=video.height,
                    format=video.pix_fmt,
                    dst_colorspace=matrix,
                    dst_color_range=span,
                )
                frame.pts = index if times is None else times[index]
                frame.time_base = Fraction(1, RATE if times is None else 1000)
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
            if audio is not None:
                noise = np.random.default_rng(0).normal(0, 0.1, (1, round(heard * SOUND)))
                samples = av.AudioFrame.from_ndarray(noise.astype(np.float32), "fltp", "mono")
                samples.sample_rate, samples.pts = SOUND, 0
                resampler = av.AudioResampler(format=audio.format, layout="mono", rate=SOUND)
                for part in resampler.resample(samples):
                    file.mux(audio.encode(part))
                file.mux(audio.encode(None))
            if words is not None:
                for packet in subtitles.container.demux(subtitles):
                    if packet.dts is not None:
                        packet.stream = words
                        file.mux(packet)
        return path

    return write
