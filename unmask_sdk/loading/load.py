"""`load()`: from "auto" or a name to an opened model, with the reasons for the choice."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask_sdk.core.manifest import ROLES, Artifact, Manifest, read_manifest
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.core.validate import check_text
from unmask_sdk.errors import DeviceMismatchError, InvalidInputError, RuntimeUnavailableError
from unmask_sdk.runtimes.candidate import Candidate
from unmask_sdk.runtimes.registry import (
    ENTRIES,
    Problem,
    RuntimeEntry,
    find_runtime,
    runtime_class,
    why_unavailable,
)

from .artifact_lookup import (
    AUTO,
    find_file,
    missing_artifact,
    pick_file,
    resolve_model_name,
    runnable_files,
)
from .limits import Limits

if TYPE_CHECKING:
    from unmask_sdk.runtimes.base import Runtime
    from unmask_sdk.unmasker import Unmasker

NO_LIMITS = Limits()
# Runs the detector and the aligner where the runtime of the unmasker does not, see
# `RuntimeEntry.roles`.
LOCATOR_FALLBACK = "onnx"
_EASE = "ease max_ms or min_psnr, or choose a smaller model, such as model='unmask-256-lite'"


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
            usable here, and says in `model.selection` why it passed over the others. Of a
            runtime that does not run the detector and the aligner, `onnx` does; the last entry
            of `model.selection` then says so.
        precision: Such as `fp32`; `auto` takes the one that the runtime prefers.
        model: Name of the unmasker; None takes `unmask-256`, or the only one in the folder.
        device: `cpu`, `cuda`, or Core ML's `all`, `gpu` or `ane`; None takes the runtime's default.
        threads: Threads for one run, 1 to 1024; None leaves it to the engine.
        max_ms: Milliseconds that the unmasker may take for one face on this device: measured the
            first time, and remembered. Precisions and runtimes are tried in their order until
            one keeps the limits.
        min_psnr: PSNR in dB to the reference that the artifact's certificate must show.
        artifacts: Folder that holds a `manifest.json`, as `unmask export` writes. Networks that
            it lacks, and all of them by default, come from the package.

    Returns:
        The opened model. Call it with a photo; close it, or use it in a `with` block.

    Raises:
        InvalidInputError: If no runtime or model has this name, a number is out of range, or
            `artifacts` is no path.
        RuntimeUnavailableError: If the runtime, or with `auto` every runtime, cannot be used, or
            none keeps the limits.
        MissingDependencyError: If a package that the runtime needs is not installed.
        DeviceMismatchError: If it opened on another device or precision than asked for.
        ArtifactError: If a model file is missing, was changed, or lacks the precision.
    """
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
    # Closes what is open if the rest does not open.
    with ExitStack() as half_open:
        half_open.enter_context(unmasker)
        # The locator goes where the unmasker went. Its precision is its own: being asked for an
        # int8 unmasker says nothing of it.
        entry = find_runtime(selection[-1].name)
        detector, aligner = (
            half_open.enter_context(
                _open_locator_role(manifests, role, entry, unmasker.info.device, threads)
            )
            for role in ("detector", "aligner")
        )
        half_open.pop_all()
    elsewhere = [r for r in (detector, aligner) if r.artifact.role not in entry.roles]
    if elsewhere:
        roles = " and ".join(r.artifact.role for r in elsewhere)
        reason = f"{selection[-1].reason}; {roles} on {elsewhere[0].info.provider}"
        selection = (*selection[:-1], replace(selection[-1], reason=reason))
    side = detector.artifact.inputs[0].shape[1]
    look = detector if side is None else TiledDetector(detector, side)
    return Unmasker(unmasker, Locator(look, aligner), selection)


def _open_locator_role(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    device: str,
    threads: int | None,
) -> Runtime[Any]:
    """Opens the detector or the aligner on the unmasker's runtime, else on `onnx`."""
    if role in entry.roles:
        return open_role(manifests, role, entry, device=device, threads=threads)
    other = find_runtime(LOCATOR_FALLBACK)
    trouble = why_unusable(manifests, role, other)
    if trouble is not None:
        reason = f"{entry.title} does not run a {role}, and {trouble.reason}"
        raise replace(trouble, reason=reason).as_error()
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
    """Gives the artifacts that `load` would open on a runtime, without asking whether it runs here.

    Raises:
        InvalidInputError: If no runtime or model has this name.
        ArtifactError: If a role has no artifact for it, or none of the precision.
    """
    entry, manifests = find_runtime(runtime), _manifests(artifacts)
    locator = [find_file(manifests, role, entry) for role in ROLES if role != "unmasker"]
    return [find_file(manifests, "unmasker", entry, precision, model), *locator]


def choose(
    manifests: tuple[Manifest, ...],
    runtime: str,
    precision: str,
    *,
    role: str = "unmasker",
    model: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
) -> tuple[Runtime[Any], tuple[Candidate, ...]]:
    """Opens one network on the runtime asked for, or on the first usable one.

    A file that does not match its digest is an error even with `auto`: that is damage, and no
    reason to quietly take another.

    Returns:
        The opened runtime, and every candidate up to the one taken.
    """
    check_text("runtime", runtime)
    check_text("precision", precision)
    for name, given in (("model", model), ("device", device)):
        if given is not None:
            check_text(name, given)
    explicit = runtime != AUTO
    if explicit and any(a.name == runtime for m in manifests for a in m.artifacts):
        raise InvalidInputError(f"{runtime!r} is a model, no runtime; give it as model={runtime!r}")
    if not explicit:
        known = dict.fromkeys(p for entry in ENTRIES for p in entry.precisions)
        if precision not in (AUTO, *known):
            raise InvalidInputError(
                f"there is no precision {precision!r}; known are: {', '.join(known)}"
            )
    model = resolve_model_name(manifests, role, model)
    considered: list[Candidate] = []
    for entry in (find_runtime(runtime),) if explicit else ENTRIES:
        trouble = why_unusable(manifests, role, entry, precision, device, model)
        if trouble is not None:
            if explicit:
                raise trouble.as_error()
            considered.append(Candidate(entry.name, False, trouble.reason, trouble.fix))
            continue
        for wanted in _precisions(manifests, role, entry, precision, model, limits):
            try:
                opened = open_role(
                    manifests, role, entry, wanted, model=model, device=device, threads=threads
                )
            except (RuntimeUnavailableError, DeviceMismatchError) as error:
                if explicit:
                    raise
                considered.append(Candidate(entry.name, False, str(error), entry.how_to_fix))
                break
            found = f"{opened.artifact.name} {opened.info.precision} on {opened.info.provider}"
            missed = limits.missed_by(opened)
            if missed is None:
                considered.append(Candidate(entry.name, True, found))
                return opened, tuple(considered)
            opened.close()
            considered.append(Candidate(entry.name, False, f"{found}: {missed}", _EASE))
    nothing = _nothing(manifests, role, precision, device, model)
    if limits.given and any(c.fix == _EASE for c in considered):
        nothing = "no runtime that is usable here keeps the limits"
    reasons = "".join(f"\n  {c.name}: {c.reason} ({c.fix})" for c in considered)
    raise RuntimeUnavailableError(f"{nothing}. Considered:{reasons}")


def _precisions(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str,
    model: str | None,
    limits: Limits,
) -> tuple[str, ...]:
    """The precisions to try on a runtime: with limits all that there are, else the preferred."""
    if precision == AUTO and limits.given:
        return tuple(runnable_files(manifests, role, entry, model))
    return (precision,)


def _nothing(
    manifests: tuple[Manifest, ...],
    role: str,
    precision: str,
    device: str | None,
    model: str | None,
) -> str:
    """Says that no runtime is usable, and what comes nearest to what was asked for."""
    usable = [entry for entry in ENTRIES if why_unavailable(entry, device) is None]
    if precision != AUTO and usable:
        there = {entry.name: runnable_files(manifests, role, entry, model) for entry in usable}
        told = "; ".join(f"{name} has {' and '.join(p)}" for name, p in there.items() if p)
        return f"no runtime that is usable here has {precision} ({told or 'nor another'})"
    if device is None:
        return f"no runtime is usable here; {install_command('cpu')}"
    here = [entry for entry in ENTRIES if sys.platform in entry.platforms]
    able = [entry.name for entry in here if device in entry.devices]
    if able:
        return f"no runtime that is usable here runs on device={device!r} ({', '.join(able)} would)"
    known = dict.fromkeys(name for entry in here for name in entry.devices)
    which = "; CUDA_VISIBLE_DEVICES chooses among GPUs" if "cuda" in device else ""
    return (
        f"no runtime runs on device={device!r}; leave it out, or ask for "
        f"{' or '.join(known)}{which}"
    )


def why_unusable(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    device: str | None = None,
    model: str | None = None,
) -> Problem | None:
    """Says why a runtime cannot serve, as far as can be known without importing it."""
    if role not in entry.roles:
        reason = f"{entry.title} runs {' and '.join(entry.roles)}, not the {role}"
        return Problem(RuntimeUnavailableError, reason, f"use runtime={LOCATOR_FALLBACK!r} for it")
    trouble = why_unavailable(entry, device)
    if trouble is None and pick_file(manifests, role, entry, precision, model) is None:
        trouble = missing_artifact(manifests, role, entry, precision, model)
    return trouble


def open_role(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    *,
    model: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Runtime[Any]:
    """Opens a role's artifact on one runtime, and compares what was asked for with what came."""
    found = find_file(manifests, role, entry, precision, model)
    return open_artifact(*found, entry, device=device, threads=threads)


def open_artifact(
    manifest: Manifest,
    artifact: Artifact,
    entry: RuntimeEntry,
    *,
    device: str | None = None,
    threads: int | None = None,
) -> Runtime[Any]:
    """Opens one artifact on one runtime, and compares what was asked for with what came."""
    path = manifest.path(artifact)
    wanted = device or entry.devices[0]
    opened = runtime_class(entry)(path, artifact, device=wanted, threads=threads)
    actual = opened.info
    if (actual.device, actual.precision) != (wanted, artifact.precision):
        opened.close()
        raise DeviceMismatchError(
            f"asked {entry.title} for {artifact.precision} on {wanted}, "
            f"got {actual.precision} on {actual.device}"
        )
    return opened


def _manifests(artifacts: str | Path | None) -> tuple[Manifest, ...]:
    if artifacts is None:
        return (read_manifest(),)
    own = read_manifest(artifacts)
    complete = {artifact.role for artifact in own.artifacts} >= set(ROLES)
    return (own,) if complete else (own, read_manifest())
