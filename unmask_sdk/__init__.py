"""unmask-sdk removes the face mask from a photo of a face, on the device.

    import unmask_sdk

    model = unmask_sdk.load()
    result = model("photo.jpg")

Importing the package is fast and imports no engine: heavy modules load on first use.
"""

from __future__ import annotations

import importlib
import os

from .errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DeviceMismatchError,
    ExportError,
    ImageReadError,
    ImageWriteError,
    InvalidInputError,
    MissingDependencyError,
    NoFaceError,
    RuntimeUnavailableError,
    SourceError,
    TrainingError,
    UnmaskError,
    VerificationError,
    VideoReadError,
    VideoWriteError,
)

# As type checkers understand it: importing `typing` is most of the time before `cli.main` can
# handle Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .benchmarks.latency.bench import Measurement
    from .benchmarks.latency.run import BenchmarkReport, benchmark
    from .core.manifest import Artifact
    from .export.export_model import ExportReport, export_model
    from .face import Face
    from .faces.locator import Location
    from .golden_vectors import Check
    from .loading.load import load
    from .result import Result
    from .runtimes.base import RuntimeInfo
    from .runtimes.candidate import Candidate
    from .unmasker import Unmasker
    from .verification import VerifyReport, verify
    from .video.camera import Camera
    from .video.file import Progress, VideoInterrupted, VideoReport
    from .video.session import Session
    from .video.stream import Stream

    __version__: str

# In a clone, the subpackages `runtimes`, `export` and so on are siblings of this folder. Python
# started in the clone imports this folder instead of an installed package, and must find them.
_clone = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.isfile(os.path.join(_clone, "pyproject.toml")):
    __path__.append(_clone)

# ONNX Runtime sends telemetry unless this is set before its first import. Users who want to send
# it set the variable in their environment.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Artifact",
    "ArtifactError",
    "BenchmarkReport",
    "Camera",
    "Candidate",
    "Check",
    "ConfigError",
    "DataError",
    "DeviceMismatchError",
    "ExportError",
    "ExportReport",
    "Face",
    "ImageReadError",
    "ImageWriteError",
    "InvalidInputError",
    "Location",
    "Measurement",
    "MissingDependencyError",
    "NoFaceError",
    "Progress",
    "Result",
    "RuntimeInfo",
    "RuntimeUnavailableError",
    "Session",
    "SourceError",
    "Stream",
    "TrainingError",
    "UnmaskError",
    "Unmasker",
    "VerificationError",
    "VerifyReport",
    "VideoInterrupted",
    "VideoReadError",
    "VideoReport",
    "VideoWriteError",
    "__version__",
    "benchmark",
    "export_model",
    "load",
    "verify",
]

_LAZY = {
    "Artifact": "core.manifest",
    "BenchmarkReport": "benchmarks.latency.run",
    "Camera": "video.camera",
    "Candidate": "runtimes.candidate",
    "Check": "golden_vectors",
    "ExportReport": "export.export_model",
    "Face": "face",
    "Location": "faces.locator",
    "Measurement": "benchmarks.latency.bench",
    "Progress": "video.file",
    "Result": "result",
    "RuntimeInfo": "runtimes.base",
    "Session": "video.session",
    "Stream": "video.stream",
    "Unmasker": "unmasker",
    "VerifyReport": "verification",
    "VideoInterrupted": "video.file",
    "VideoReport": "video.file",
    "benchmark": "benchmarks.latency.run",
    "export_model": "export.export_model",
    "load": "loading.load",
    "verify": "verification",
}


# Hidden from type checkers, which would accept every misspelled name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from .core.sdk_version import sdk_version

            value = sdk_version()
        elif name in _LAZY:
            value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
