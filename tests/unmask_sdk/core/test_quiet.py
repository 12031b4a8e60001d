"""Pillow's warnings are neither printed nor raised, and other warnings stay as they are."""

from __future__ import annotations

import io
import logging
import os
import shlex
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unmask_sdk
from sample_files import PICTURE, encoded
from unmask_sdk.core.quiet import logged_pillow_warnings, logged_stderr
from unmask_sdk.imaging.decode import read_photo
from unmask_sdk.imaging.encode import encode_image


def palette_png() -> bytes:
    image = Image.fromarray(PICTURE).convert("P", palette=Image.Palette.ADAPTIVE, colors=255)
    return encoded(image, "PNG", transparency=b"\0\x80" + b"\xff" * 200)


def tiff_with_many_values() -> bytes:
    tags = {256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: 2, 279: 4}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    entries += struct.pack("<HHIHH", 284, 3, 2, 1, 1)  # One planar configuration is expected.
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) + 1) + entries + bytes(4)
    return head.ljust(200, b"\0") + bytes(4)


def png_with_damaged_exif() -> bytes:
    block = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 0x10F, 2, 999, 9999)
    return encoded(Image.fromarray(PICTURE), "PNG", exif=block)


def large_png() -> bytes:
    return encoded(Image.new("1", (10_000, 9_000)), "PNG", compress_level=1)


FILES = [palette_png, tiff_with_many_values, png_with_damaged_exif, large_png]


@pytest.mark.parametrize("file", FILES)
def test_warnings_are_logged(file: Callable[[], bytes], caplog: pytest.LogCaptureFixture) -> None:
    data = file()
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG, "unmask_sdk.third_party"):
        warnings.simplefilter("error")
        photo = read_photo(data)
        encode_image("tif", photo.pixels[:9, :9])
        read_photo(Image.open(io.BytesIO(data)) if file is palette_png else data)
    assert caplog.records
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_exif_is_written_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_image(
            "tif", np.zeros((2, 2, 3), np.uint8), read_photo(png_with_damaged_exif()).extras
        )


def test_other_warnings_stay() -> None:
    with pytest.warns(UserWarning, match="mine"), logged_pillow_warnings():
        warnings.warn("mine", stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with logged_pillow_warnings(), pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)


def test_threads_restore_the_filters() -> None:
    before, show = list(warnings.filters), warnings.showwarning
    data = palette_png()
    threads = [threading.Thread(target=read_photo, args=(data,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    assert warnings.showwarning is show


def test_native_lines_are_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "unmask_sdk.third_party"), logged_stderr("INFO: "):
        os.write(2, b"INFO: a delegate\nmine\n")
    assert capfd.readouterr().err == "mine\n"
    assert caplog.messages == ["INFO: a delegate"]


def test_error_passes_and_stderr_is_restored(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), logged_stderr("INFO: "):
        raise KeyError
    os.write(2, b"INFO: seen\n")
    assert capfd.readouterr().err == "INFO: seen\n"


@pytest.mark.skipif(os.name != "posix", reason="closes a file descriptor in the shell")
def test_stderr_may_be_closed() -> None:
    code = "from unmask_sdk.core.quiet import logged_stderr\nwith logged_stderr('a'): print('in')"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"in\n"


def test_litert_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert")
    unmask_sdk.load("tflite", threads=1).close()
    assert capfd.readouterr() == ("", "")


def test_av1_encoder_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    av = pytest.importorskip("av")
    from unmask_sdk.core.scheduling import kept_scheduling
    from unmask_sdk.video.encoders import CONTAINERS, choose_encoder
    from unmask_sdk.video.pixel_formats import pixel_format_of

    ten_bits = pixel_format_of(av.VideoFrame(64, 64, "yuv420p10le"))
    chosen = choose_encoder(CONTAINERS[".webm"], ten_bits, None, None)
    assert chosen.name == "libsvtav1"
    with av.open(str(tmp_path / "a.webm"), "w") as file:
        stream = file.add_stream(chosen.name, rate=25, options=chosen.options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        with kept_scheduling():
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p10le")))
        file.mux(stream.encode())
    assert capfd.readouterr().err == ""
