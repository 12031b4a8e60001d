"""`unmask camera`: removes masks from live frames, in a window or as raw RGB."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from unmask_sdk.cli.options import (
    ArtifactsOption,
    DeviceOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
)
from unmask_sdk.cli.signals import raise_on_sigterm
from unmask_sdk.cli.streams import binary_stdin, binary_stdout
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.output_paths import check_writable_file, make_folder
from unmask_sdk.errors import InvalidInputError, MissingDependencyError, SourceError

from .targets import PICTURES

if TYPE_CHECKING:
    from unmask_sdk.core.arrays import UInt8Array
    from unmask_sdk.unmasker import Unmasker

_TITLE = "unmask camera (q to quit)"
# Videos that other programs write.
_VIDEOS = (".avi", ".flv", ".mpeg", ".mpg", ".ts", ".wmv")


def camera(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Index of a camera, URL, GStreamer pipeline, file, or - for raw RGB on stdin.",
        ),
    ] = "0",
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="Write raw RGB to FILE.rgb, - for stdout; a window by default."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Such as 1280x720: size of the frames on stdin, or to request."),
    ] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    model: ModelOption = None,
    artifacts: ArtifactsOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without a frame after which to report it.")
    ] = 10.0,
    smooth: Annotated[
        bool,
        typer.Option("--smooth/--no-smooth", help="Keep generated regions steady between frames."),
    ] = True,
) -> None:
    """Remove the face masks from the frames of a camera.

    A camera that fails or hangs is opened again; if frames come too fast, only the latest is
    processed. Of a video file every frame is processed, and it ends with the file. From stdin every
    frame is processed, and written to stdout:

    ffmpeg -i IN -f rawvideo -pix_fmt rgb24 - | unmask camera - --size 1280x720 | ffplay …
    """
    from unmask_sdk.loading.load import load

    _silence_opencv()
    wanted = None if size is None else parse_size(size)
    piped = source == "-"
    if piped and wanted is None:
        raise InvalidInputError("frames on stdin need their size: --size WIDTHxHEIGHT")
    if piped and out is None:
        out = "-"
    if out is None:
        _check_window()
    elif out == "-":
        binary_stdout()
    else:
        _check_file(Path(out), source)
    stdin = binary_stdin() if piped else None
    raise_on_sigterm()
    opened = load(
        runtime, precision, model=model, device=device, threads=threads, artifacts=artifacts
    )
    with opened as unmasker, _sink(out) as sink:
        try:
            if stdin is not None and wanted is not None:
                frames = _every(unmasker, raw_frames(stdin, wanted), smooth)
            elif os.path.isfile(source):
                frames = _recorded(unmasker, source, smooth)
            else:
                frames = _live(unmasker, source, wanted, timeout, smooth)
            for frame in frames:
                if sink.show(frame):
                    break
        except BrokenPipeError:
            # The reader of the frames has stopped. Discards what Python would still flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _silence_opencv() -> None:
    """Keeps OpenCV and its FFmpeg from printing lines of their own about a camera that fails.

    They read these when they are loaded. Users who set them see what they asked for.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET


def parse_size(text: str) -> tuple[int, int]:
    """Reads WIDTHxHEIGHT, or raises `InvalidInputError`."""
    match = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if match is None:
        raise InvalidInputError(f"--size must look like 1280x720, got {text!r}")
    return int(match[1]), int(match[2])


def raw_frames(file: BinaryIO, size: tuple[int, int]) -> Iterator[UInt8Array]:
    """Reads raw RGB frames until the file ends, or raises `SourceError` in the middle of one."""
    import numpy as np

    width, height = size
    length = 3 * width * height
    while data := file.read(length):
        if len(data) < length:
            raise SourceError(
                f"stdin ended within a frame, after {len(data)} of its {length} bytes; "
                f"is --size {width}x{height} right, and is it RGB with 8 bits (rgb24)?"
            )
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _every(model: Unmasker, frames: Iterable[UInt8Array], smooth: bool) -> Iterator[UInt8Array]:
    from unmask_sdk.video.session import Session

    session = Session(model, smooth=smooth)
    for frame in frames:
        yield session(frame).image


def _recorded(model: Unmasker, source: str, smooth: bool) -> Iterator[UInt8Array]:
    """Yields every frame of a file: none is late."""
    from unmask_sdk.video.camera import Camera

    done = 0
    with Camera(source) as camera:
        try:
            for image in _every(model, camera, smooth):
                done += 1
                yield image
        finally:
            if done:
                typer.echo(f"unmask: {done} frames, all shown", err=True)


def _live(
    model: Unmasker, source: str, size: tuple[int, int] | None, timeout: float, smooth: bool
) -> Iterator[UInt8Array]:
    from unmask_sdk.video.camera import Camera

    camera = Camera(source, size=size)
    with model.stream(camera, timeout=timeout, smooth=smooth) as stream:
        try:
            while True:
                try:
                    yield next(stream).image
                except StopIteration:
                    return
                except SourceError as error:
                    if not camera.counters.opened:
                        raise
                    typer.echo(f"unmask: {error}", err=True)
        finally:
            counters = stream.counters
            if camera.counters.opened:
                typer.echo(
                    f"unmask: {counters.received} frames, {counters.done} shown, "
                    f"{counters.dropped} dropped; the camera stalled {camera.counters.stalls} "
                    f"times, failed {camera.counters.deaths} times",
                    err=True,
                )


class _Raw:
    """Writes frames as raw RGB."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._file: BinaryIO | None = None

    def show(self, frame: UInt8Array) -> bool:
        # Opened with the first frame, so that a camera without frames overwrites no file.
        file = self._file = self._file or self._opened()
        file.write(frame.tobytes())
        file.flush()
        return False

    def _opened(self) -> BinaryIO:
        if self._out == "-":
            return binary_stdout()
        make_folder(Path(self._out).parent, "--out")
        return open(self._out, "wb")

    def __enter__(self) -> _Raw:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self._out != "-":
            self._file.close()


class _Window:
    """Shows frames until q, Escape, or the window's close button."""

    def show(self, frame: UInt8Array) -> bool:
        import cv2

        cv2.imshow(_TITLE, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        pressed = cv2.waitKey(1) & 0xFF
        closed = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1
        return pressed in (ord("q"), 27) or closed

    def __enter__(self) -> _Window:
        return self

    def __exit__(self, *_: object) -> None:
        import cv2

        cv2.destroyAllWindows()


def _sink(out: str | None) -> _Raw | _Window:
    return _Window() if out is None else _Raw(out)


def _check_file(out: Path, source: str) -> None:
    """Refuses a file of another format than raw RGB, or that cannot be written."""
    from unmask_sdk.video.encoders import CONTAINERS

    if out.suffix.lower() in (*PICTURES, *CONTAINERS, *_VIDEOS):
        raise InvalidInputError(
            f"--out {out}: only raw RGB is written, not {out.suffix}; use a name such as "
            f"{out.with_suffix('.rgb')}, or encode it with ffmpeg: unmask camera … --out - | "
            f"ffmpeg -f rawvideo -pix_fmt rgb24 -video_size 1280x720 -i - {out}"
        )
    check_writable_file(out, "--out")
    # 0 is stdin.
    read = 0 if source == "-" else source
    if out.exists() and os.path.exists(read) and os.path.samestat(os.stat(read), out.stat()):
        raise InvalidInputError(f"--out {out} is the file that is read; choose another one")


def _check_window() -> None:
    """Raises if this OpenCV cannot open a window."""
    import cv2

    try:
        cv2.namedWindow(_TITLE)
    except cv2.error as error:
        raise MissingDependencyError(
            "this OpenCV cannot open windows, or there is no display; write raw RGB with --out, "
            "such as: unmask camera 0 --out - | ffplay -f rawvideo -pixel_format rgb24 "
            f"-video_size 1280x720 -; or {pip_command('uninstall opencv-python-headless')}, "
            f"{pip_command('install opencv-python')}"
        ) from error
