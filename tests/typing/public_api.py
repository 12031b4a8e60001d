"""Checked by mypy in `.ci/types`, never run: mypy knows every public name, and nothing else.

The last lines are mistakes on purpose. mypy reports an ignore comment that ignores nothing, so
the check also fails if it stops noticing one of them.
"""

from __future__ import annotations

import unmask_sdk

NAMES = (
    unmask_sdk.Artifact,
    unmask_sdk.ArtifactError,
    unmask_sdk.BenchmarkReport,
    unmask_sdk.Camera,
    unmask_sdk.Candidate,
    unmask_sdk.Check,
    unmask_sdk.ConfigError,
    unmask_sdk.DataError,
    unmask_sdk.DeviceMismatchError,
    unmask_sdk.ExportError,
    unmask_sdk.ExportReport,
    unmask_sdk.Face,
    unmask_sdk.ImageReadError,
    unmask_sdk.ImageWriteError,
    unmask_sdk.InvalidInputError,
    unmask_sdk.Location,
    unmask_sdk.Measurement,
    unmask_sdk.MissingDependencyError,
    unmask_sdk.NoFaceError,
    unmask_sdk.Progress,
    unmask_sdk.Result,
    unmask_sdk.RuntimeInfo,
    unmask_sdk.RuntimeUnavailableError,
    unmask_sdk.Session,
    unmask_sdk.SourceError,
    unmask_sdk.Stream,
    unmask_sdk.TrainingError,
    unmask_sdk.UnmaskError,
    unmask_sdk.Unmasker,
    unmask_sdk.VerificationError,
    unmask_sdk.VerifyReport,
    unmask_sdk.VideoInterrupted,
    unmask_sdk.VideoReadError,
    unmask_sdk.VideoReport,
    unmask_sdk.VideoWriteError,
    unmask_sdk.__version__,
    unmask_sdk.benchmark,
    unmask_sdk.export_model,
    unmask_sdk.load,
    unmask_sdk.verify,
)


def process(path: str) -> unmask_sdk.Result:
    """The types of the main path are known."""
    with unmask_sdk.load("onnx", threads=1) as model:
        result: unmask_sdk.Result = model(path)
        faces: tuple[unmask_sdk.Face, ...] = tuple(result.faces)
        session: unmask_sdk.Session = unmask_sdk.Session(model)
        return session(result.image) if faces else result


def results(photos: list[str]) -> list[unmask_sdk.Result]:
    """A list in, a list out."""
    return unmask_sdk.load()(photos)


def checks() -> tuple[unmask_sdk.Check, ...]:
    """What golden vectors showed."""
    report: unmask_sdk.VerifyReport = unmask_sdk.verify("unmask-256", runtime="onnx")
    return report.wrong


def sizes() -> dict[str, int]:
    """What was exported."""
    report: unmask_sdk.ExportReport = unmask_sdk.export_model("onnx", "fp16", out="models")
    return {artifact.file: artifact.bytes for artifact in report.artifacts}


def mistakes() -> None:
    """Each line is an error that mypy must report."""
    unmask_sdk.laod()  # type: ignore[attr-defined]
    unmask_sdk.load().stream([], queues=1)  # type: ignore[call-arg]
