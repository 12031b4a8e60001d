"""Measures the speed of `unmask video`, and whether its memory grows.

    python -m unmask_sdk.benchmarks.video_speed CLIP --loops 100

The clip is repeated as one long video, through all of `unmask video`: decoder, networks, smoothing
and encoder. Prints frames per second and resident memory every minute, and at the end how much
memory grew since the first minute; exit code 1 if by more than 5 %. `moving_faces.py` makes a
clip. Run it on your device.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import av
import typer

import unmask_sdk
from unmask_sdk.video.file import Progress

# Memory may grow by this share from the first mark to the last.
GROWTH = 0.05


def loop(clip: Path, path: Path, times: int) -> None:
    """Writes a clip so many times into one file, packet by packet."""
    with av.open(str(path), "w", format="matroska") as file:
        offset = 0.0
        copies = None
        for _ in range(times):
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
                # Sound may end a little after the picture, and begin a little before it.
                offset += source.duration / 1_000_000 + 0.2


def main(
    clip: Annotated[Path, typer.Argument(help="A video file.")],
    loops: Annotated[int, typer.Option(min=1, help="How often the clip is played.")] = 10,
    every: Annotated[float, typer.Option(min=1, help="Seconds from mark to mark.")] = 60.0,
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Of the networks.")] = None,
) -> None:
    """Runs a long video."""
    marks: list[tuple[float, int, float]] = []

    def look(progress: Progress) -> None:
        if progress.elapsed >= every * (len(marks) + 1):
            marks.append((progress.elapsed, progress.frames, resident_megabytes()))
            before = marks[-2] if len(marks) > 1 else (0.0, 0, 0.0)
            fps = (progress.frames - before[1]) / (progress.elapsed - before[0])
            print(f"{progress.elapsed:6.0f} s: {fps:5.1f} fps, {marks[-1][2]:6.1f} MB", flush=True)

    with tempfile.TemporaryDirectory() as folder, unmask_sdk.load(runtime, threads=threads) as it:
        long = Path(folder) / "long.mkv"
        loop(clip, long, loops)
        used = time.process_time()
        report = it.video(long, Path(folder) / "out.mp4", progress=look)
        used = time.process_time() - used
    each, fps = 1000 * used / report.frames, report.frames / report.seconds
    print(f"{report.frames} frames, {fps:.1f} a second, {each:.1f} ms of processor time each")
    if len(marks) > 1:
        growth = marks[-1][2] / marks[0][2] - 1
        print(f"memory grew by {growth:.1%} from {marks[0][0]:.0f} s to {marks[-1][0]:.0f} s")
        raise SystemExit(0 if growth < GROWTH else 1)


def resident_megabytes() -> float:
    """Returns the resident memory of this process in megabytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    typer.run(main)
