"""How fast `unmask video` is, and whether its memory stays where it is. Run it on your device::

    python -m unmask_sdk.benchmarks.video_speed CLIP --minutes 10

The clip is played again and again as one long video, through the whole of `unmask video`: decoder,
networks, smoothing, encoder. Prints frames a second and resident memory, minute by minute, and at
the end by how much memory grew since the first; exit code 1 if that is more than 5 %. A clip is
made by `moving_faces.py`.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import av
import typer

import unmask_sdk
from unmask_sdk.video import Progress

# Memory may grow by this share from the first mark to the last.
GROWTH = 0.05


def loop(clip: Path, path: Path, seconds: float) -> None:
    """Writes a clip again and again into one file, packet by packet."""
    with av.open(str(path), "w", format="matroska") as file:
        offset = 0.0
        copies = None
        while offset < seconds:
            with av.open(str(clip)) as source:
                copies = copies or [
                    file.add_stream_from_template(stream, opaque=True) for stream in source.streams
                ]
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    shift = round(offset / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copies[packet.stream.index]
                    file.mux(packet)
                offset += source.duration / 1_000_000


def main(
    clip: Annotated[Path, typer.Argument(help="A video file.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="Of work, not of video.")] = 10.0,
    every: Annotated[float, typer.Option(min=1, help="Seconds from mark to mark.")] = 60.0,
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Of the networks.")] = None,
) -> None:
    """Runs a long video."""
    stop = threading.Event()
    marks: list[tuple[float, int, float]] = []

    def look(progress: Progress) -> None:
        if progress.elapsed >= every * (len(marks) + 1):
            marks.append((progress.elapsed, progress.frames, _megabytes()))
            before = marks[-2] if len(marks) > 1 else (0.0, 0, 0.0)
            fps = (progress.frames - before[1]) / (progress.elapsed - before[0])
            print(f"{progress.elapsed:6.0f} s: {fps:5.1f} fps, {marks[-1][2]:6.1f} MB", flush=True)
        if progress.elapsed >= 60 * minutes:
            stop.set()

    with tempfile.TemporaryDirectory() as folder, unmask_sdk.load(runtime, threads=threads) as it:
        # More than any device gets done: 60 frames a second.
        long = Path(folder) / "long.mkv"
        loop(clip, long, 60 * minutes * 60 / 25)
        used = time.process_time()
        report = it.video(long, Path(folder) / "out.mp4", progress=look, stop=stop)
        used = time.process_time() - used
    print(
        f"{report.frames} frames in {report.seconds:.0f} s: {report.frames / report.seconds:.1f} "
    )
    print(f"frames a second, {1000 * used / report.frames:.1f} ms of processor time a frame")
    if len(marks) > 1:
        growth = marks[-1][2] / marks[0][2] - 1
        print(f"memory grew by {growth:.1%} from {marks[0][0]:.0f} s to {marks[-1][0]:.0f} s")
        raise SystemExit(0 if growth < GROWTH else 1)


def _megabytes() -> float:
    """Resident memory of this process (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    typer.run(main)
