"""The cases to measure: every unmasker of a folder on every runtime that opens it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.core.manifest import Artifact, Manifest, read_manifest
from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.export.formats import EXPORTERS
from unmask_sdk.loading.open_artifact import open_artifact
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import ENTRIES, RuntimeEntry, find_runtime, why_unavailable


@dataclass(frozen=True)
class Case:
    """One unmasker in one precision on one runtime.

    Attributes:
        manifest: Manifest of its folder.
        artifact: Its file.
        entry: The runtime.
    """

    manifest: Manifest
    artifact: Artifact
    entry: RuntimeEntry

    @property
    def name(self) -> str:
        """Such as `unmask-256 fp32 on onnx`, the same for no other case of a folder."""
        kind = self.artifact.format
        file = "" if kind == self.entry.formats[0] else f" ({kind} file)"
        return f"{self.artifact.name} {self.artifact.precision} on {self.entry.name}{file}"

    @property
    def size(self) -> int:
        """Side of the crop in pixels."""
        return self.artifact.inputs[0].shape[1] or 256

    def open(self, threads: int | None = None) -> Runtime[Any]:
        """Opens it on the runtime's own device; errors as for `unmask_sdk.load`."""
        return open_artifact(self.manifest, self.artifact, self.entry, threads=threads)


class Proof(Case):
    """An unmasker whose runtime cannot be used here, opened as the export verified it.

    TensorRT's files run in ONNX Runtime node by node, Core ML's in our interpreter.
    """

    @property
    def name(self) -> str:
        """Such as `unmask-256 int8 as trt proves it`."""
        return f"{self.artifact.name} {self.artifact.precision} as {self.entry.name} proves it"

    def open(self, threads: int | None = None) -> Runtime[Any]:
        """Opens it as its exporter does; errors as for `formats.export`."""
        module: Any = importlib.import_module(EXPORTERS[self.artifact.format].module)
        opened: Runtime[Any] = module.open_converted(
            self.manifest.path(self.artifact), self.artifact
        )
        return opened


@dataclass(frozen=True)
class Selected:
    """The cases to measure, and why others are left out (name and reason)."""

    cases: tuple[Case, ...]
    left_out: tuple[tuple[str, str], ...]


def select(
    artifacts: str | Path | None = None,
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    models: Sequence[str] = (),
    *,
    proofs: bool = False,
) -> Selected:
    """Selects the cases of a folder.

    Args:
        artifacts: Folder that holds a `manifest.json`; the package's own by default.
        runtimes: Runtimes to take, which then have to be usable; all that are if empty.
        precisions: Precisions to take; all if empty.
        models: Names of unmaskers to take; all if empty.
        proofs: Whether the files of a runtime that cannot be used here are opened as the export
            proved them.

    Raises:
        ArtifactError: If there is no manifest.
        InvalidInputError: If nothing is left, or no runtime or model has such a name.
        UnmaskError: If a runtime that was asked for cannot be used.
    """
    manifest = read_manifest(artifacts)
    unmaskers = [a for a in manifest.artifacts if a.role == "unmasker"]
    names = sorted({a.name for a in unmaskers})
    unknown = sorted(set(models) - set(names))
    if unknown:
        raise InvalidInputError(
            f"{manifest.folder} holds no unmasker {unknown[0]!r}; known are {', '.join(names)}"
        )
    entries = [find_runtime(name) for name in runtimes] or ENTRIES
    cases: list[Case] = []
    left_out: list[tuple[str, str]] = []
    for entry in entries:
        trouble = why_unavailable(entry)
        kind = Proof if trouble is not None and proofs and _provable(entry) else Case
        if trouble is not None and kind is Case:
            if runtimes:
                raise trouble.as_error()
            left_out.append((entry.name, f"{trouble.reason}; {trouble.fix}"))
            continue
        cases += [
            kind(manifest, artifact, entry)
            for artifact in unmaskers
            if artifact.format in entry.formats
            and artifact.precision in entry.precisions
            and (not precisions or artifact.precision in precisions)
            and (not models or artifact.name in models)
        ]
    if not cases:
        wanted = " ".join([*runtimes, *precisions, *models])
        raise InvalidInputError(
            f"{manifest.folder} holds no unmasker {wanted} that is usable here; see `unmask "
            "doctor`, or export one with `unmask export`"
        )
    return Selected(tuple(cases), tuple(left_out))


def _provable(entry: RuntimeEntry) -> bool:
    """Returns whether a runtime's files can be verified here: its exporter must be installed."""
    exporter = EXPORTERS.get(entry.name)
    return exporter is not None and not missing_packages(exporter.requires)
