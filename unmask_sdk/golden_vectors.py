"""Runs golden vectors: does this device compute what the reference computed?

Needs only the artifact's engine, not torch or a network connection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .core.arrays import AnyArray
from .core.manifest import Artifact, Golden, Manifest, Parity, read_manifest
from .errors import (
    ArtifactError,
    DeviceMismatchError,
    MissingDependencyError,
    RuntimeUnavailableError,
    VerificationError,
)
from .loading.choose import choose
from .loading.open_artifact import open_artifact
from .runtimes.base import Runtime
from .runtimes.registry import (
    AUTO,
    ENTRIES,
    RuntimeEntry,
    find_runtime,
    load_plugin,
    plugin_entry_points,
    runtime_class,
    why_unavailable,
)


@dataclass(frozen=True)
class Check:
    """The result for one artifact on one runtime.

    Attributes:
        artifact: Name of the network; empty, like role, format and precision, where another
            package's runtime does not load.
        role: Its role.
        format: Its format.
        precision: Its precision.
        runtime: Runtime that it was run on.
        ok: Whether every output was within tolerance; None if it could not be run here. False if
            the runtime fails when it runs, or fails to open a file and was asked for.
        error: Largest error, in the unit of `error_of`; None if there is none to give.
        tolerance: Largest error allowed, unless `min_psnr_db` is given.
        psnr_db: Lowest PSNR of an output; None if it was not run, or there was no difference.
        min_psnr_db: Lowest PSNR allowed; None where `tolerance` counts.
        note: How far it was off and what it ran on, or why it was not run.
    """

    artifact: str
    role: str
    format: str
    precision: str
    runtime: str
    ok: bool | None
    error: float | None
    tolerance: float
    psnr_db: float | None
    min_psnr_db: float | None
    note: str


def compare(
    name: str, expected: AnyArray, actual: AnyArray, *, images: int, reference: str = "golden"
) -> Parity:
    """Measures how far an output is from the reference.

    Differences are in the output's own unit: 1 of 255 for uint8. The peak of the PSNR is 255 for
    uint8, and the largest magnitude of `expected` (at least 1) for floats.

    Args:
        name: Name of the output.
        expected: The reference's output, any shape.
        actual: Array of the same shape.
        images: Number of pictures that they hold.
        reference: What `expected` came from.

    Raises:
        VerificationError: If the shapes differ, or `actual` holds a value that is not finite.
    """
    if expected.shape != actual.shape:
        raise VerificationError(
            f"output {name} has shape {list(actual.shape)}, expected {list(expected.shape)}"
        )
    if not np.isfinite(actual).all():
        raise VerificationError(f"output {name} holds values that are not finite")
    difference = np.abs(np.subtract(expected, actual, dtype=np.float32))
    mean_square = float(np.mean(difference**2, dtype=np.float64))
    peak = peak_of(expected)
    return Parity(
        output=name,
        reference=reference,
        images=images,
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean(dtype=np.float64)),
        psnr_db=float(10 * np.log10(peak**2 / mean_square)) if mean_square else None,
    )


def peak_of(expected: AnyArray) -> float:
    """Returns the scale of an output: 255 for uint8, else its largest magnitude, at least 1."""
    return 255.0 if expected.dtype == np.uint8 else max(1.0, float(np.abs(expected).max()))


def error_of(parity: Parity, expected: AnyArray) -> float:
    """Returns an error that a tolerance is set against.

    For uint8 it is the largest difference in steps of 1 of 255; for floats the largest difference
    over the peak.
    """
    return parity.max_abs if expected.dtype == np.uint8 else parity.max_abs / peak_of(expected)


@dataclass(frozen=True)
class Deviation:
    """How far outputs are from the reference, the worst of them.

    Attributes:
        error: Largest error, in the unit of `error_of`.
        psnr_db: Lowest PSNR; None if there was no difference at all.
    """

    error: float
    psnr_db: float | None

    def within(self, golden: Golden) -> bool:
        """Returns whether the deviation is within the limit of the golden vectors."""
        if golden.min_psnr_db is None:
            return self.error <= golden.tolerance
        return self.psnr_db is None or self.psnr_db >= golden.min_psnr_db

    def against(self, golden: Golden) -> str:
        """Returns the deviation and its limit as text."""
        if golden.min_psnr_db is None:
            return f"error {self.error:.2g} of {golden.tolerance:g}"
        psnr = "identical" if self.psnr_db is None else f"{self.psnr_db:.1f} dB"
        return f"{psnr}, at least {golden.min_psnr_db:g} dB"


def worst(parities: Iterable[tuple[Parity, AnyArray]]) -> Deviation:
    """Returns the worst of several outputs, each with the array that was expected."""
    pairs = list(parities)
    levels = [parity.psnr_db for parity, _ in pairs if parity.psnr_db is not None]
    return Deviation(max(error_of(*pair) for pair in pairs), min(levels, default=None))


def run_golden(runtime: Runtime[Any], file: Path) -> Deviation:
    """Runs an artifact's golden inputs.

    Raises:
        ArtifactError: If the file does not hold the arrays that it should.
        VerificationError: If an output has another shape, or is not finite.
    """
    artifact = runtime.artifact
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        inputs = {spec.name: arrays[f"in_{spec.name}"] for spec in artifact.inputs}
        expected = {spec.name: arrays[f"out_{spec.name}"] for spec in artifact.outputs}
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{file} does not hold golden vectors: {error}") from error
    outputs = runtime.run_named(**inputs)
    return worst(
        (compare(name, value, outputs[name], images=len(value)), value)
        for name, value in expected.items()
    )


def iter_checks(
    artifacts: str | Path | None = None,
    runtime: str | None = None,
    *,
    names: Collection[str] = (),
    device: str | None = None,
    threads: int | None = None,
) -> Iterator[Check]:
    """Runs the golden vectors of every artifact on every runtime that opens it.

    Args:
        artifacts: Folder that holds a `manifest.json`; the package's own by default.
        runtime: Checks this runtime only, which then has to be usable; `auto` is the one that
            `load()` takes. By default all are checked, those of other packages too.
        names: Checks these only: names of networks, or of their files; all by default.
        device: `cpu`, `cuda`, or Core ML's `all`, `gpu` or `ane`; None takes each runtime's
            default.
        threads: Threads for one run; None leaves it to the engine.

    Yields:
        One record for each artifact and runtime, as each is done. A file that is missing or was
        changed is recorded as wrong, and so is one on which a runtime fails. A runtime that cannot
        be used is recorded as not run, unless it was asked for.

    Raises:
        ArtifactError: If the manifest is missing or not valid, or has nothing by one of the names.
        UnmaskError: If the runtime that was asked for cannot be used.
    """
    manifest = read_manifest(artifacts)
    chosen = _named(manifest, names)
    if runtime is None:
        entries = list(ENTRIES)
        for point in plugin_entry_points():
            try:
                entries.append(load_plugin(point))
            except RuntimeUnavailableError as error:
                yield _not_loaded(point.name, str(error))
    else:
        entries = [_usable(runtime, manifest, chosen, device, threads)]
    for artifact in chosen:
        for entry in entries:
            if _opens(entry, artifact):
                try:
                    check = _check(manifest, artifact, entry, device, threads)
                except (RuntimeUnavailableError, MissingDependencyError) as error:
                    ok = None if runtime is None else False
                    check = _record(artifact, entry, ok, None, str(error))
                except (ArtifactError, DeviceMismatchError) as error:
                    check = _record(artifact, entry, False, None, str(error))
                yield check


def _usable(
    runtime: str,
    manifest: Manifest,
    artifacts: tuple[Artifact, ...],
    device: str | None,
    threads: int | None,
) -> RuntimeEntry:
    """Returns the entry of the runtime that was asked for, or raises why it cannot be used."""
    if runtime == AUTO:
        # The first of the unmaskers decides, as in `load()`.
        first = min(artifacts, key=lambda artifact: artifact.role != "unmasker")
        opened, considered = choose(
            (manifest,),
            AUTO,
            AUTO,
            role=first.role,
            model=first.name,
            device=device,
            threads=threads,
        )
        opened.close()
        return find_runtime(considered[-1].name)
    entry = find_runtime(runtime)
    problem = why_unavailable(entry, device)
    if problem is not None:
        raise problem.as_error()
    runtime_class(entry)
    return entry


def _named(manifest: Manifest, names: Collection[str]) -> tuple[Artifact, ...]:
    """The artifacts of these names; all of them for no name."""
    for name in names:
        if not any(name in _names_of(artifact) for artifact in manifest.artifacts):
            known = sorted({known for a in manifest.artifacts for known in _names_of(a)})
            raise ArtifactError(
                f"{manifest.folder} has no model {name!r}; it has {', '.join(known)}"
            )
    return tuple(a for a in manifest.artifacts if not names or _names_of(a) & set(names))


def _opens(entry: RuntimeEntry, artifact: Artifact) -> bool:
    return (
        artifact.role in entry.roles
        and artifact.format in entry.formats
        and artifact.precision in entry.precisions
    )


def _names_of(artifact: Artifact) -> set[str]:
    return {artifact.name, Path(artifact.file).name}


def _check(
    manifest: Manifest,
    artifact: Artifact,
    entry: RuntimeEntry,
    device: str | None,
    threads: int | None,
) -> Check:
    trouble = why_unavailable(entry, device)
    if trouble is not None:
        raise trouble.as_error()
    golden = manifest.golden_path(artifact)
    with open_artifact(manifest, artifact, entry, device=device, threads=threads) as opened:
        try:
            found = run_golden(opened, golden)
        except (VerificationError, RuntimeUnavailableError) as failure:
            return _record(artifact, entry, False, None, str(failure))
        note = f"{found.against(artifact.golden)}, {opened.info.provider}, {opened.info.device}"
        return _record(artifact, entry, found.within(artifact.golden), found, note)


def _not_loaded(runtime: str, note: str) -> Check:
    """A record of another package's runtime of which nothing is known."""
    return Check("", "", "", "", runtime, None, None, 0.0, None, None, note)


def _record(
    artifact: Artifact, entry: RuntimeEntry, ok: bool | None, found: Deviation | None, note: str
) -> Check:
    return Check(
        artifact=artifact.name,
        role=artifact.role,
        format=artifact.format,
        precision=artifact.precision,
        runtime=entry.name,
        ok=ok,
        error=None if found is None else found.error,
        tolerance=artifact.golden.tolerance,
        psnr_db=None if found is None else found.psnr_db,
        min_psnr_db=artifact.golden.min_psnr_db,
        note=note,
    )
