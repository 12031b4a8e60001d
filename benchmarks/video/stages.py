"""Measures `unmask video` by stage, next to decoding and encoding alone, and a stream's latency.

    python -m unmask_sdk.benchmarks.video.stages --runtime onnx --precision int8

Clips are drawn from the photos of a clone's `examples/` (`panned_clip.py`), for each size and
number of faces. In the same run, one after the other: the clip is decoded and encoded alone through
PyAV, with the settings of `unmask video`; one run of the unmasker and of the aligner is timed; the
clip goes through `model.video`; frames go through a session, by stage; and frames that come 30
times a second go through `model.stream`. Memory is the peak of a process that does `model.video`
alone; over ten minutes: `video_speed.py`. For one core, begin the command with `taskset -c 0`, and
give `--threads 1`. Run it on your device.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer

import unmask_sdk
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.doctor import device
from unmask_sdk.errors import InvalidInputError, UnmaskError
from unmask_sdk.faces.align import crop_matrix, warp_crop
from unmask_sdk.video.encoders import choose_encoder, container_of
from unmask_sdk.video.pixel_formats import pixel_format_of

from . import peak_memory
from .panned_clip import RATE, draw_frames, write_clip
from .speed_table import HEADINGS, STAGES, Speed, cells, record

SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}
# Runs of one network, of which the median is taken.
_RUNS = 15


def measure(
    model: unmask_sdk.Unmasker, examples: Path, size: tuple[int, int], faces: int, frames: int
) -> Speed:
    """Measures one clip.

    Args:
        model: The model; its threads are those of decoder and encoder too.
        examples: Folder of the photos.
        size: (width, height) of the clip.
        faces: Number of faces, 1 to 4.
        frames: Number of frames.
    """
    threads = model.runtime.threads or 1
    (first,) = draw_frames(examples, size, faces, 1)
    # What happens once, such as drawing the noise for grain, is not a cost per frame.
    unmask_sdk.Session(model)(first)
    with tempfile.TemporaryDirectory() as folder:
        clip, out = Path(folder) / "clip.mp4", Path(folder) / "out.mp4"
        write_clip(clip, examples, size, faces, frames)
        coded = _cpu_ms(lambda: code_alone(clip, out, threads)) / frames
        found = model.locator(first)
        if len(found) != faces:
            raise InvalidInputError(
                f"{len(found)} of {faces} faces are found at {size}; take a larger size"
            )
        crop = warp_crop(first, crop_matrix(found[0].eyes, model.crop_size), model.crop_size)
        unmasker = statistics.median(_cpu_ms(lambda: model.crops(crop[None])) for _ in range(_RUNS))
        aligner = statistics.median(
            _cpu_ms(lambda: model.locator.follow(first, found[:1])) for _ in range(_RUNS)
        )
        begin, used = time.perf_counter(), time.process_time()
        model.video(clip, out)
        whole = 1000 * (time.process_time() - used) / frames
        fps = frames / (time.perf_counter() - begin)
        megabytes = peak_memory.of_process(model, clip, out)
    pictures = list(draw_frames(examples, size, faces, min(frames, RATE)))
    waited, dropped = stream_latency(model, pictures)
    return Speed(
        coded,
        unmasker,
        aligner,
        session_stages(model, pictures),
        whole,
        whole / (coded + faces * (unmasker + aligner)),
        fps,
        megabytes,
        (float(np.percentile(waited, 50)), float(np.percentile(waited, 95))),
        dropped,
    )


def code_alone(clip: Path, out: Path, threads: int) -> None:
    """Decodes a clip, and encodes it again with the settings of `unmask video`."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as file:
        stream = source.streams.video[0]
        stream.thread_type, stream.thread_count = "AUTO", threads
        video = None
        for frame in source.decode(stream):
            if video is None:
                pixels = pixel_format_of(frame)
                encoder = choose_encoder(container_of(out), pixels, None, None, threads=threads)
                video = file.add_stream(encoder.name, rate=RATE, options=encoder.options)
                video.width, video.height, video.pix_fmt = pixels.width, pixels.height, pixels.name
                video.codec_context.thread_type = "AUTO"
                video.codec_context.thread_count = threads
            frame.pict_type = 0
            file.mux(video.encode(frame))
        if video is not None:
            file.mux(video.encode(None))


def session_stages(model: unmask_sdk.Unmasker, pictures: list[UInt8Array]) -> dict[str, float]:
    """Returns the milliseconds of each stage of a session, per frame."""
    session = unmask_sdk.Session(model)
    laps = [session(picture, k / RATE).timings for k, picture in enumerate(pictures)]
    return {stage: statistics.fmean(lap[stage] for lap in laps) for stage in STAGES}


def stream_latency(
    model: unmask_sdk.Unmasker, pictures: list[UInt8Array]
) -> tuple[list[float], float]:
    """Measures a stream whose frames come 30 times a second, as from a camera.

    Returns:
        Milliseconds from each frame's arrival to its result, and the share of frames dropped.
    """
    arrived: list[float] = []

    def live() -> Iterator[UInt8Array]:
        begin = time.perf_counter()
        for number, picture in enumerate(pictures):
            time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
            # The first pixel, where no face is, holds the number.
            marked = picture.copy()
            marked[0, 0] = number % 256, number // 256, 0
            arrived.append(time.perf_counter())
            yield marked

    waited = []
    with model.stream(live()) as stream:
        for result in stream:
            low, high, _ = result.image[0, 0].tolist()
            waited.append(1000 * (time.perf_counter() - arrived[low + 256 * high]))
        counters = stream.counters
    return waited, counters.dropped / counters.received


def _cpu_ms(call: Callable[[], object]) -> float:
    used = time.process_time()
    call()
    return 1000 * (time.process_time() - used)


def main(
    size: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(SIZES)}; 720p.")] = None,
    faces: Annotated[list[int] | None, typer.Option(min=1, max=4, help="1 to 4; 1 and 2.")] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="1 and 2 by default.")] = None,
    frames: Annotated[int, typer.Option(min=2, help="Length of a clip.")] = 150,
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "auto",
    precision: Annotated[str, typer.Option(help="Such as int8.")] = "auto",
    examples: Annotated[Path, typer.Option(help="Of a clone: the photos.")] = Path("examples"),
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write.")] = None,
) -> None:
    """Prints a table, in milliseconds per frame.

    They are CPU time, but for the stages of a session (locate to paste) and the latency, which are
    wall-clock time.
    """
    unknown = [name for name in size or () if name not in SIZES]
    if unknown:
        raise InvalidInputError(f"--size must be one of {', '.join(SIZES)}; got {unknown[0]}")
    print("| " + " | ".join(HEADINGS) + " |\n" + "| --- " * len(HEADINGS) + "|")
    clips = []
    for count in threads or (1, 2):
        with unmask_sdk.load(runtime, precision, threads=count) as model:
            info = model.runtime
            title = f"unmask-256 {info.precision} on {info.runtime} ({info.provider})"
            for name in size or ("720p",):
                for number in faces or (1, 2):
                    speed = measure(model, examples, SIZES[name], number, frames)
                    clips.append(record(name, number, count, speed))
                    print(f"| {' | '.join(cells(clips[-1]))} |", flush=True)
    if json_file is not None:
        content = {"device": vars(device()), "model": title, "clips": clips}
        atomic_write(json_file, json.dumps(content, indent=1).encode())


if __name__ == "__main__":
    try:
        typer.run(main)
    except (UnmaskError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
