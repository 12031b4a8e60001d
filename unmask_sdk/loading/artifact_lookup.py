"""Which file of the manifests a runtime opens for a role, and the fix if there is none."""

from __future__ import annotations

from unmask_sdk.core.manifest import Artifact, Manifest
from unmask_sdk.errors import ArtifactError, InvalidInputError
from unmask_sdk.runtimes.registry import AUTO, Problem, RuntimeEntry

# Preferred if a folder holds several networks of a role.
DEFAULTS = ("unmask-256",)

# Every export includes the reference weights.
_EXPORTED_WITH = {"safetensors": "onnx"}


def resolve_model_name(manifests: tuple[Manifest, ...], role: str, model: str | None) -> str | None:
    """Returns the name of the network to use for a role; None if no manifest has the role.

    The first folder that has the role decides: the user's own unmasker must not be replaced by the
    package's because it lacks a format.

    Raises:
        InvalidInputError: If no network has this name, or there are several to choose from.
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
            f"choose one with model={names[0]!r}, or export each to a separate folder"
        )
    return next(iter(preferred), None)


def missing_artifact(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str,
    model: str | None,
) -> Problem:
    """Returns that a runtime has no artifact, and the command that makes one."""
    wanted = "" if precision == AUTO else f" {precision}"
    runnable = runnable_files(manifests, role, entry, model)
    format = _EXPORTED_WITH.get(entry.formats[0], entry.formats[0])
    first = entry.precisions[0] if precision == AUTO else precision
    fixes = [f"ask for the precision {' or '.join(runnable)}"] if runnable else []
    if first in entry.precisions:
        fixes.append(f"unmask export {format} --precision {first} -o DIR, and load(artifacts=DIR)")
    return Problem(
        ArtifactError,
        f"there is no{wanted} {model or role} that {entry.title} opens",
        ", or ".join(fixes) or f"ask for the precision {' or '.join(entry.precisions)}",
    )


def find_file(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    model: str | None = None,
) -> tuple[Manifest, Artifact]:
    """Returns the file that a runtime opens for a role, or raises what `lack_of` says."""
    found = pick_file(manifests, role, entry, precision, model)
    if found is None:
        raise missing_artifact(manifests, role, entry, precision, model).as_error()
    return found


def pick_file(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str,
    model: str | None,
) -> tuple[Manifest, Artifact] | None:
    """Returns the file that a runtime opens for a role; None if there is none."""
    runnable = runnable_files(manifests, role, entry, model)
    chosen = next(iter(runnable), None) if precision == AUTO else precision
    return None if chosen is None else runnable.get(chosen)


def runnable_files(
    manifests: tuple[Manifest, ...], role: str, entry: RuntimeEntry, model: str | None
) -> dict[str, tuple[Manifest, Artifact]]:
    """Returns what a runtime can open for a role by precision, the preferred one first."""
    name = resolve_model_name(manifests, role, model)
    for manifest in manifests:
        files = manifest.find(role=role, formats=entry.formats)
        found = {a.precision: a for a in files if a.name == name}
        if any(a.name == name for a in manifest.artifacts):
            return {p: (manifest, found[p]) for p in entry.precisions if p in found}
    return {}


def locator_precision(
    manifests: tuple[Manifest, ...], role: str, entry: RuntimeEntry, unmasker: str
) -> str:
    """Returns the precision to open the detector or the aligner in; see `entry.int8_locator`.

    Args:
        manifests: Where the files are listed.
        role: `detector` or `aligner`.
        entry: The runtime.
        unmasker: The unmasker's precision.
    """
    follows = entry.int8_locator and unmasker == "int8"
    return unmasker if follows and pick_file(manifests, role, entry, unmasker, None) else AUTO
