"""`load()`: from "auto" or a name to an opened model, with the reasons for the choice."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.manifest import ROLES, Artifact, Manifest, read_manifest
from unmask_sdk.core.opencv import check_opencv
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import AUTO, RuntimeEntry, find_runtime

from .artifact_lookup import find_file, locator_precision
from .choose import LOCATOR_FALLBACK, choose, why_unusable
from .limits import Limits
from .open_artifact import open_role

if TYPE_CHECKING:
    from unmask_sdk.unmasker import Unmasker


def load(
    runtime: str = AUTO,
    precision: str = AUTO,
    *,
    model: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    max_ms: float | None = None,
    min_psnr: float | None = None,
    artifacts: str | Path | None = None,
) -> Unmasker:
    """Opens the model.

    Args:
        runtime: Name or alias of a runtime: it works or raises. `auto` takes the first that is
            usable here, and `model.selection` says why others were not taken. If a runtime does
            not run the detector and the aligner, `onnx` runs them; the last entry of
            `model.selection` then reports it.
        precision: Of the unmasker, such as `fp32`; `auto` takes the one that the runtime prefers.
            With an int8 unmasker the detector and the aligner run in int8 too on `onnx`, `openvino`
            and `tflite`; otherwise in the precision that the runtime prefers.
        model: Name of the unmasker; None takes `unmask-256`, or the only one in the folder.
        device: `cpu`, `cuda`, or Core ML's `all`, `gpu` or `ane`; None takes the runtime's default.
        threads: Threads for one run, 1 to 1024; None leaves it to the engine.
        max_ms: Milliseconds that the unmasker may take for one face on this device when other
            programs do not keep it busy: measured the first time, then cached, and measured again
            before a miss is an error. Precisions and runtimes are tried in order until one keeps
            the limits; `model.selection` has the times, and when they were measured.
        min_psnr: PSNR in dB to the reference that the artifact's certificate must show.
        artifacts: Folder that holds a `manifest.json`, as `unmask export` writes. Networks that
            it lacks, and all of them by default, come from the package.

    Returns:
        The opened model. Call it with a photo; close it, or use it in a `with` block.

    Raises:
        InvalidInputError: If no runtime or model has this name, a number is out of range, or
            `artifacts` is not a path.
        RuntimeUnavailableError: If the runtime, or with `auto` every runtime, cannot be used, or
            none keeps the limits.
        MissingDependencyError: If a package that the runtime needs is not installed, or OpenCV does
            not import.
        DeviceMismatchError: If it opened on another device or precision than asked for.
        ArtifactError: If a model file is missing, was changed, or lacks the precision.
    """
    check_opencv()
    # Loaded here, so that `unmask doctor` can report a missing OpenCV.
    from unmask_sdk.faces.locator import Locator
    from unmask_sdk.faces.tiled_detector import TiledDetector
    from unmask_sdk.unmasker import Unmasker

    manifests = _manifests(artifacts)
    unmasker, selection = choose(
        manifests,
        runtime,
        precision,
        model=model,
        device=device,
        threads=threads,
        limits=Limits(max_ms, min_psnr),
    )
    # Closes what is open if the others do not open.
    with ExitStack() as opened:
        opened.enter_context(unmasker)
        # The locator runs where the unmasker runs.
        entry, info = find_runtime(selection[-1].name), unmasker.info
        detector, aligner = (
            opened.enter_context(
                _open_locator_role(manifests, role, entry, info.precision, info.device, threads)
            )
            for role in ("detector", "aligner")
        )
        opened.pop_all()
    on_fallback = [r for r in (detector, aligner) if r.artifact.role not in entry.roles]
    if on_fallback:
        roles = " and ".join(r.artifact.role for r in on_fallback)
        reason = f"{selection[-1].reason}; {roles} on {on_fallback[0].info.provider}"
        selection = (*selection[:-1], replace(selection[-1], reason=reason))
    side = detector.artifact.inputs[0].shape[1]
    detect = detector if side is None else TiledDetector(detector, side)
    return Unmasker(unmasker, Locator(detect, aligner), selection)


def _open_locator_role(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    unmasker: str,
    device: str,
    threads: int | None,
) -> Runtime[Any]:
    """Opens the detector or the aligner on the unmasker's runtime, otherwise on `onnx`.

    `unmasker` is the precision of the unmasker.
    """
    if role in entry.roles:
        precision = locator_precision(manifests, role, entry, unmasker)
        return open_role(manifests, role, entry, precision, device=device, threads=threads)
    other = find_runtime(LOCATOR_FALLBACK)
    problem = why_unusable(manifests, role, other)
    if problem is not None:
        reason = f"{entry.title} does not run a {role}, and {problem.reason}"
        raise replace(problem, reason=reason).as_error()
    return open_role(manifests, role, other, threads=threads)


def open_runtime(
    role: str = "unmasker",
    runtime: str = AUTO,
    precision: str = AUTO,
    *,
    model: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    artifacts: str | Path | None = None,
) -> Runtime[Any]:
    """Opens one network alone, for measuring and testing; arguments and errors as for `load`."""
    manifests = _manifests(artifacts)
    opened, _ = choose(
        manifests, runtime, precision, role=role, model=model, device=device, threads=threads
    )
    return opened


def candidates(
    runtime: str,
    precision: str = AUTO,
    *,
    model: str | None = None,
    artifacts: str | Path | None = None,
) -> list[tuple[Manifest, Artifact]]:
    """Returns the artifacts that `load` would open on a runtime, whether or not it runs here.

    Raises:
        InvalidInputError: If no runtime or model has this name.
        ArtifactError: If a role has no artifact for it, or none of the precision.
    """
    entry, manifests = find_runtime(runtime), _manifests(artifacts)
    unmasker = find_file(manifests, "unmasker", entry, precision, model)
    locator = [
        find_file(
            manifests, role, entry, locator_precision(manifests, role, entry, unmasker[1].precision)
        )
        for role in ROLES
        if role != "unmasker"
    ]
    return [unmasker, *locator]


def _manifests(artifacts: str | Path | None) -> tuple[Manifest, ...]:
    if artifacts is None:
        return (read_manifest(),)
    own = read_manifest(artifacts)
    complete = {artifact.role for artifact in own.artifacts} >= set(ROLES)
    return (own,) if complete else (own, read_manifest())
