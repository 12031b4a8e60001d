"""Streams that are copied from file to file: which formats hold them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from .encoders import CONTAINERS, Container

if TYPE_CHECKING:
    from av.stream import Stream

# In the order in which they are recommended.
_ADVISED = (".mkv", ".mp4", ".mov")


def holds(form: Container, stream: Stream) -> bool:
    """Returns whether a format holds the sound or subtitles of another file."""
    return _accepts(form.name, stream) or needs_tee(form, stream)


def needs_tee(form: Container, stream: Stream) -> bool:
    """Returns whether a format holds a sound that PyAV refuses for it.

    Matroska holds the sound of Windows as it is (A_MS/ACM), and FFmpeg copies it. PyAV asks before,
    in a way that is stricter; it does not for the muxer `tee`, which hands on to the real one.
    """
    import av

    if form.name != "matroska" or stream.type != "audio" or _accepts(form.name, stream):
        return False
    try:
        with av.open(tee_name(form, os.devnull), "w", format="tee") as file:
            file.add_stream_from_template(stream, opaque=True)
            file.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def tee_name(form: Container, path: str) -> str:
    """Returns the file name for the muxer `tee` that writes one file."""
    for special in ("\\", "'", "|"):
        path = path.replace(special, "\\" + special)
    return f"[f={form.name}]{path}"


def other_endings(suffix: str, streams: list[Any]) -> str:
    """Returns advice: the endings, other than `suffix`, that hold all of some streams."""
    fitting = [
        ending
        for ending in _ADVISED
        if CONTAINERS[ending] is not CONTAINERS[suffix]
        and all(holds(CONTAINERS[ending], stream) for stream in streams)
    ]
    if fitting:
        return f"write an {' or '.join(fitting)}"
    return "convert it first: ffmpeg -i IN -c:v copy -c:a aac NEW.mkv"


def _accepts(form: str, stream: Stream) -> bool:
    import av

    try:
        with av.open(io.BytesIO(), "w", format=form) as file:
            file.add_stream_from_template(stream, opaque=True)
            if stream.type == "audio":
                # Some are refused only now, such as Opus in a .mov.
                file.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True
