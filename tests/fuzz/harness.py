"""Fuzzes what reads files of strangers: pictures, manifests, artifacts, EXIF and XMP. Run with::

    python tests/fuzz/harness.py TARGET CORPUS -max_total_time=600

TARGET is one of those in `TARGETS`, CORPUS a folder that keeps what was found; one that is not
there yet begins with `seeds.py`. It needs `atheris`.
Whatever is not one of our own errors is a finding; it goes into `cases/TARGET-….bin`, which
`test_cases.py` runs for ever after.
"""

from __future__ import annotations

import contextlib
import importlib
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

# A picture of more pixels says nothing new, and takes the time of many.
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
    """Writes a picture with any EXIF block and any XMP packet."""
    import numpy as np

    half = len(data) // 2
    extras = Extras(exif=b"Exif\0\0" + data[:half], xmp=data[half:])
    xmp.build_packet(data, generated=True)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".tif", ".webp"):
            write_image(Path(folder) / f"a{suffix}", np.zeros((2, 2, 3), np.uint8), extras)


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
    """Reads a sound manifest of which one field holds something else."""
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
    """Gives every place of parsed JSON, as what holds it and its key there."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _fields(value)


def artifact(data: bytes) -> None:
    """Opens a model file whose digest the manifest confirms, so that the engine sees it."""
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
    function.__name__: function for function in (picture, metadata, manifest, field, artifact)
}


def one(target: str, data: bytes) -> None:
    """Runs one input: our own errors are answers, all others are findings."""
    with contextlib.suppress(UnmaskError):
        TARGETS[target](data)


# Whose branches lead the fuzzer; instrumenting all modules would take minutes.
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
    """Fuzzes one target with what is left of the arguments, which libFuzzer reads."""
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
