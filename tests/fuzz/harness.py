"""Fuzzes the code that reads untrusted files, such as images, videos and manifests. Run::

    python tests/fuzz/harness.py TARGET CORPUS -max_total_time=600

TARGET is a key of `TARGETS`, CORPUS a folder for the fuzzer's inputs, which is filled by `seeds.py`
if it does not exist. It needs `atheris`. Every exception that is not one of our own errors is a
finding; store its input as `cases/TARGET-….bin`, a regression test of `test_cases.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unmask_sdk.core.manifest import MANIFEST_NAME, read_manifest
from unmask_sdk.errors import UnmaskError
from unmask_sdk.imaging import xmp
from unmask_sdk.imaging.decode import Extras, read_photo
from unmask_sdk.imaging.encode import write_image

# Larger images find nothing new, and take the time of many small ones.
LARGE = 1 << 22


def picture(data: bytes) -> None:
    """Decodes a file, and writes it again with its metadata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        photo = read_photo(data)
        if photo.pixels.size > LARGE:
            return
        with tempfile.TemporaryDirectory() as folder:
            for suffix in (".png", ".jpg", ".tif"):
                write_image(Path(folder) / f"a{suffix}", photo.pixels, photo.extras, generated=True)


def metadata(data: bytes) -> None:
    """Writes an image with any EXIF block and any XMP packet."""
    import numpy as np

    half = len(data) // 2
    extras = Extras(exif=b"Exif\0\0" + data[:half], xmp=data[half:])
    xmp.build_packet(data, generated=True)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".tif", ".webp"):
            write_image(Path(folder) / f"a{suffix}", np.zeros((2, 2, 3), np.uint8), extras)


def video(data: bytes) -> None:
    """Demuxes and decodes a video."""
    from unmask_sdk.video.reader import VideoReader, find_video_stream, open_video

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in"
        path.write_bytes(data)
        with open_video(path) as file:
            reader = VideoReader(file, find_video_stream(file, path), threads=1)
            reader.first_frame(path)
            for _ in itertools.islice(reader.items(set()), 300):
                pass
            reader.cut_off()


def manifest(data: bytes) -> None:
    """Reads a manifest, and opens every file that it names."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST_NAME).write_bytes(data)
        found = read_manifest(folder)
        for artifact in found.artifacts:
            for path in (found.path, found.golden_path):
                with contextlib.suppress(UnmaskError):
                    path(artifact)


def field(data: bytes) -> None:
    """Reads a valid manifest with one field replaced."""
    content = {"schema": 1, "artifacts": [json.loads(json.dumps(_ENTRY))]}
    places = list(_fields(content))
    holder, key = places[(data[0] if data else 0) % len(places)]
    text = data[1:].decode("utf-8", "surrogateescape")
    try:
        holder[key] = json.loads(text)
    except (ValueError, RecursionError):
        holder[key] = text
    manifest(json.dumps(content).encode())


def _fields(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every position in parsed JSON, as its container and its key."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _fields(value)


def artifact(data: bytes) -> None:
    """Opens a model file whose digest matches the manifest, so that the engine reads it."""
    from unmask_sdk.core.manifest import sha256_of
    from unmask_sdk.loading.load import open_runtime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.onnx"
        path.write_bytes(data)
        entry = json.loads(json.dumps(_ENTRY))
        entry |= {"sha256": sha256_of(path), "bytes": len(data)}
        content = {"schema": 1, "artifacts": [entry]}
        (Path(folder) / MANIFEST_NAME).write_text(json.dumps(content))
        for name in ("onnx", "openvino"):
            with contextlib.suppress(UnmaskError):
                open_runtime("unmasker", name, threads=1, artifacts=folder).close()


_TENSOR = {"name": "image", "dtype": "uint8", "shape": [None, 256, 256, 3]}
_ENTRY = {
    "name": "unmask-256",
    "role": "unmasker",
    "format": "onnx",
    "precision": "fp32",
    "file": "a.onnx",
    "package": None,
    "sha256": "0" * 64,
    "bytes": 0,
    "inputs": [_TENSOR],
    "outputs": [
        {**_TENSOR, "name": "unmasked"},
        {**_TENSOR, "name": "mask", "shape": [None, 256, 256, 1]},
    ],
    "weights_sha256": "0" * 64,
    "calibration_sha256": None,
    "tools": {},
    "golden": {"file": "a.onnx", "sha256": "0" * 64, "tolerance": 0.0},
    "parity": [
        {"output": "mask", "reference": "", "images": 1}
        | {"max_abs": 0.0, "mean_abs": 0, "psnr_db": None}
    ],
}

TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (picture, metadata, video, manifest, field, artifact)
}


def one(target: str, data: bytes) -> None:
    """Runs one input: our own errors are expected, all others are findings."""
    with contextlib.suppress(UnmaskError):
        TARGETS[target](data)


# Modules whose branches guide the fuzzer; instrumenting all modules would take minutes.
_PICTURES = (
    "unmask_sdk.imaging.decode",
    "unmask_sdk.imaging.color",
    "unmask_sdk.imaging.exif",
    "unmask_sdk.imaging.encode",
)
_PLUGINS = ("Jpeg", "Png", "WebP", "Tiff", "Bmp", "Gif", "Ppm")
INSTRUMENTED = {
    "picture": (*_PICTURES, *(f"PIL.{name}ImagePlugin" for name in _PLUGINS)),
    "metadata": (*_PICTURES, "unmask_sdk.imaging.xmp", "PIL.TiffImagePlugin", "PIL.Image"),
    "video": ("unmask_sdk.video.reader", "unmask_sdk.video.timeline"),
    "manifest": ("unmask_sdk.core.manifest",),
    "field": ("unmask_sdk.core.manifest",),
    "artifact": ("unmask_sdk.core.manifest", "unmask_sdk.loading.load"),
}


def _instrument(atheris: Any, module: Any) -> None:
    """Instruments the functions and methods that a module defines."""
    for holder in (module, *(c for c in vars(module).values() if isinstance(c, type))):
        if getattr(holder, "__module__", module.__name__) != module.__name__:
            continue
        for function in list(vars(holder).values()):
            if isinstance(function, types.FunctionType):
                atheris.instrument_func(function)


def main() -> None:
    """Fuzzes one target; libFuzzer reads the remaining arguments."""
    import atheris
    import seeds

    target, corpus = sys.argv.pop(1), Path(sys.argv[1])
    if not corpus.exists():
        seeds.write(target, corpus, _ENTRY)
    for name in INSTRUMENTED[target]:
        _instrument(atheris, importlib.import_module(name))
    atheris.Setup(sys.argv, lambda data: one(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
