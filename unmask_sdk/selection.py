"""`load()`: from "auto" or a name to an opened model, with the reasons for the choice."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import check_text
from .errors import (
    ArtifactError,
    DeviceMismatchError,
    InvalidInputError,
    RuntimeUnavailableError,
)
from .limits import Limits
from .manifest import ROLES, Artifact, Manifest, read_manifest
from .packages import install
from .runtimes.registry import ENTRIES, Problem, RuntimeEntry, find, problem, resolve

if TYPE_CHECKING:
    from .runtimes.base import Runtime
    from .unmasker import Unmasker

AUTO = "auto"
# Taken where a folder holds several networks of a role.
DEFAULTS = ("unmask-256",)

NO_LIMITS = Limits()
_EASE = "ease max_ms or min_psnr, or choose a smaller model, such as model='unmask-256-lite'"

# Every export lists the reference weights too.
_EXPORTED_WITH = {"safetensors": "onnx"}


@dataclass(frozen=True)
class Candidate:
    """A runtime that was considered.

    Attributes:
        name: The runtime's name.
        usable: Whether it could be used. `load()` takes the first that is.
        reason: Why not, or what it runs.
        mend: Command or argument that would make it usable; None if it is, or none is known.
    """

    name: str
    usable: bool
    reason: str
    mend: str | None = None


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
            usable here, and says in `model.selection` why it passed over the others.
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
    from .locator import Locator
    from .tiles import TiledDetector
    from .unmasker import Unmasker

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
        entry = find(selection[-1].name)
        detector, aligner = (
            half_open.enter_context(
                open_role(manifests, role, entry, device=unmasker.info.device, threads=threads)
            )
            for role in ("detector", "aligner")
        )
        half_open.pop_all()
    side = detector.artifact.inputs[0].shape[1]
    look = detector if side is None else TiledDetector(detector, side)
    return Unmasker(unmasker, Locator(look, aligner), selection)


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
    entry, manifests = find(runtime), _manifests(artifacts)
    locator = [_found(manifests, role, entry) for role in ROLES if role != "unmasker"]
    return [_found(manifests, "unmasker", entry, precision, model), *locator]


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
    model = name_of(manifests, role, model)
    considered: list[Candidate] = []
    for entry in (find(runtime),) if explicit else ENTRIES:
        trouble = hindrance(manifests, role, entry, precision, device, model)
        if trouble is not None:
            if explicit:
                raise trouble.as_error()
            considered.append(Candidate(entry.name, False, trouble.reason, trouble.mend))
            continue
        for wanted in _precisions(manifests, role, entry, precision, model, limits):
            try:
                opened = open_role(
                    manifests, role, entry, wanted, model=model, device=device, threads=threads
                )
            except (RuntimeUnavailableError, DeviceMismatchError) as error:
                if explicit:
                    raise
                considered.append(Candidate(entry.name, False, str(error), entry.cure))
                break
            found = f"{opened.artifact.name} {opened.info.precision} on {opened.info.provider}"
            missed = limits.missed_by(opened)
            if missed is None:
                considered.append(Candidate(entry.name, True, found))
                return opened, tuple(considered)
            opened.close()
            considered.append(Candidate(entry.name, False, f"{found}: {missed}", _EASE))
    nothing = _nothing(manifests, role, precision, device, model)
    if limits.given and any(c.mend == _EASE for c in considered):
        nothing = "no runtime that is usable here keeps the limits"
    reasons = "".join(f"\n  {c.name}: {c.reason} ({c.mend})" for c in considered)
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
        return tuple(_runnable(manifests, role, entry, model))
    return (precision,)


def _nothing(
    manifests: tuple[Manifest, ...],
    role: str,
    precision: str,
    device: str | None,
    model: str | None,
) -> str:
    """Says that no runtime is usable, and what comes nearest to what was asked for."""
    usable = [entry for entry in ENTRIES if problem(entry, device) is None]
    if precision != AUTO and usable:
        there = {entry.name: _runnable(manifests, role, entry, model) for entry in usable}
        told = "; ".join(f"{name} has {' and '.join(p)}" for name, p in there.items() if p)
        return f"no runtime that is usable here has {precision} ({told or 'nor another'})"
    if device is None:
        return f"no runtime is usable here; {install('cpu')}"
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


def hindrance(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    device: str | None = None,
    model: str | None = None,
) -> Problem | None:
    """Says why a runtime cannot serve, as far as can be known without importing it."""
    trouble = problem(entry, device)
    if trouble is None and _pick(manifests, role, entry, precision, model) is None:
        trouble = _lack(manifests, role, entry, precision, model)
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
    found = _found(manifests, role, entry, precision, model)
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
    opened = resolve(entry)(path, artifact, device=wanted, threads=threads)
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


def name_of(manifests: tuple[Manifest, ...], role: str, model: str | None) -> str | None:
    """Gives the name of the network to take for a role; None if no manifest has the role.

    A folder that has the role at all answers for it: an unmasker of the user's own must not give
    way to the package's because it lacks a format.

    Raises:
        InvalidInputError: If there is none of the name asked for, or several to choose from.
    """
    known = [dict.fromkeys(a.name for a in m.artifacts if a.role == role) for m in manifests]
    if model is not None:
        if any(model in names for names in known):
            return model
        there = ", ".join(name for names in known for name in names) or "none"
        raise InvalidInputError(f"there is no {role} named {model!r}; known are: {there}")
    names = next((list(names) for names in known if names), [])
    preferred = [name for name in DEFAULTS if name in names] or names
    if len(preferred) > 1:
        raise InvalidInputError(
            f"there are several networks of the role {role}: {', '.join(names)}; "
            f"choose one with model={names[0]!r}, or export each to a folder of its own"
        )
    return next(iter(preferred), None)


def _lack(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str,
    model: str | None,
) -> Problem:
    """Says that there is no artifact for a runtime, and what makes one."""
    wanted = "" if precision == AUTO else f" {precision}"
    runnable = _runnable(manifests, role, entry, model)
    format = _EXPORTED_WITH.get(entry.formats[0], entry.formats[0])
    first = entry.precisions[0] if precision == AUTO else precision
    mends = [f"ask for the precision {' or '.join(runnable)}"] if runnable else []
    if first in entry.precisions:
        mends.append(f"unmask export {format} --precision {first} -o DIR, and load(artifacts=DIR)")
    return Problem(
        ArtifactError,
        f"there is no{wanted} {model or role} that {entry.title} opens",
        ", or ".join(mends) or f"ask for the precision {' or '.join(entry.precisions)}",
    )


def _found(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    model: str | None = None,
) -> tuple[Manifest, Artifact]:
    found = _pick(manifests, role, entry, precision, model)
    if found is None:
        raise _lack(manifests, role, entry, precision, model).as_error()
    return found


def _pick(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str,
    model: str | None,
) -> tuple[Manifest, Artifact] | None:
    runnable = _runnable(manifests, role, entry, model)
    chosen = next(iter(runnable), None) if precision == AUTO else precision
    return None if chosen is None else runnable.get(chosen)


def _runnable(
    manifests: tuple[Manifest, ...], role: str, entry: RuntimeEntry, model: str | None
) -> dict[str, tuple[Manifest, Artifact]]:
    """Gives what a runtime can open for a role by precision, the preferred one first."""
    name = name_of(manifests, role, model)
    for manifest in manifests:
        files = manifest.find(role=role, formats=entry.formats)
        found = {a.precision: a for a in files if a.name == name}
        if any(a.name == name for a in manifest.artifacts):
            return {p: (manifest, found[p]) for p in entry.precisions if p in found}
    return {}
