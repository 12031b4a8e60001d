"""Chooses a runtime: the requested one, or the first usable one, with the reasons."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

from unmask_sdk.core.manifest import Manifest
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.core.validate import check_text
from unmask_sdk.errors import DeviceMismatchError, InvalidInputError, RuntimeUnavailableError
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.candidate import Candidate
from unmask_sdk.runtimes.registry import (
    AUTO,
    ENTRIES,
    Problem,
    RuntimeEntry,
    find_runtime,
    why_unavailable,
)

from .artifact_lookup import missing_artifact, pick_file, resolve_model_name, runnable_files
from .limits import Limits
from .open_artifact import open_role

NO_LIMITS = Limits()
# Runs the detector and the aligner for runtimes that run the unmasker alone.
LOCATOR_FALLBACK = "onnx"
# Measurements before a limit on time is reported as missed, and the pause between them.
_ATTEMPTS = 3
_PAUSE_S = 0.5
_RELAX = "relax max_ms or min_psnr, or choose a smaller model, such as model='unmask-256-lite'"


@dataclass(frozen=True)
class _Request:
    """What `choose` was asked for; `model` is the resolved name."""

    manifests: tuple[Manifest, ...]
    runtime: str
    precision: str
    role: str
    model: str | None
    device: str | None
    threads: int | None
    limits: Limits


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
    """Opens one network on the requested runtime, or on the first usable one.

    A file that does not match its digest is an error even with `auto`: it is damaged, and another
    must not be taken silently.

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
        raise InvalidInputError(f"{runtime!r} is a model, not a runtime; use model={runtime!r}")
    if not explicit:
        known = dict.fromkeys(p for entry in ENTRIES for p in entry.precisions)
        if precision not in (AUTO, *known):
            raise InvalidInputError(
                f"there is no precision {precision!r}; known are: {', '.join(known)}"
            )
    model = resolve_model_name(manifests, role, model)
    request = _Request(manifests, runtime, precision, role, model, device, threads, limits)
    for attempt in range(_ATTEMPTS):
        # Before a limit on time is reported as missed, what the cache has is measured again: the
        # device may have been busy, or in another power mode.
        fresh = attempt > 0
        if fresh:
            time.sleep(_PAUSE_S)
        opened, considered, near = _first_that_keeps(request, fresh)
        if opened is not None:
            return opened, tuple(considered)
        if not near:
            break
    summary = _none_usable(manifests, role, precision, device, model)
    if limits.given and any(c.fix == _RELAX for c in considered):
        summary = "no runtime that is usable here keeps the limits"
    reasons = "".join(f"\n  {c.name}: {c.reason} ({c.fix})" for c in considered)
    raise RuntimeUnavailableError(f"{summary}. Considered:{reasons}")


def _first_that_keeps(
    request: _Request, fresh: bool
) -> tuple[Runtime[Any] | None, list[Candidate], bool]:
    """Opens the candidates in order until one keeps the limits.

    Returns:
        The opened runtime, or None; the candidates up to it; and whether another measurement
        might show that one of them keeps the limit on time.
    """
    manifests, role, limits = request.manifests, request.role, request.limits
    model, device = request.model, request.device
    considered: list[Candidate] = []
    near = False
    explicit = request.runtime != AUTO
    for entry in (find_runtime(request.runtime),) if explicit else ENTRIES:
        problem = why_unusable(manifests, role, entry, request.precision, device, model)
        if problem is not None:
            if explicit:
                raise problem.as_error()
            considered.append(Candidate(entry.name, False, problem.reason, problem.fix))
            continue
        for wanted in _precisions(request, entry):
            try:
                opened = open_role(
                    manifests,
                    role,
                    entry,
                    wanted,
                    model=model,
                    device=device,
                    threads=request.threads,
                )
            except (RuntimeUnavailableError, DeviceMismatchError) as error:
                if explicit:
                    raise
                considered.append(Candidate(entry.name, False, str(error), entry.how_to_fix))
                break
            found = f"{opened.artifact.name} {opened.info.precision} on {opened.info.provider}"
            verdict = limits.check(opened, fresh=fresh)
            if verdict.missed is None:
                takes = f", a face takes {verdict.timing}" if verdict.timing else ""
                considered.append(Candidate(entry.name, True, found + takes))
                return opened, considered, False
            opened.close()
            considered.append(Candidate(entry.name, False, f"{found}: {verdict.missed}", _RELAX))
            near |= verdict.may_keep
    return None, considered, near


def _precisions(request: _Request, entry: RuntimeEntry) -> tuple[str, ...]:
    """Returns the precisions to try: with limits all that exist, otherwise the preferred one."""
    if request.precision == AUTO and request.limits.given:
        return tuple(runnable_files(request.manifests, request.role, entry, request.model))
    return (request.precision,)


def _none_usable(
    manifests: tuple[Manifest, ...],
    role: str,
    precision: str,
    device: str | None,
    model: str | None,
) -> str:
    """Returns that no runtime is usable, and what is closest to the request."""
    usable = [entry for entry in ENTRIES if why_unavailable(entry, device) is None]
    if precision != AUTO and usable:
        there = {entry.name: runnable_files(manifests, role, entry, model) for entry in usable}
        others = "; ".join(f"{name} has {' and '.join(p)}" for name, p in there.items() if p)
        return f"no runtime that is usable here has {precision} ({others or 'nor any other'})"
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
    """Returns why a runtime cannot be used, as far as is known without importing it.

    `None` if it looks usable.
    """
    if role not in entry.roles:
        reason = f"{entry.title} runs {' and '.join(entry.roles)}, not the {role}"
        return Problem(RuntimeUnavailableError, reason, f"use runtime={LOCATOR_FALLBACK!r} for it")
    problem = why_unavailable(entry, device)
    if problem is None and pick_file(manifests, role, entry, precision, model) is None:
        problem = missing_artifact(manifests, role, entry, precision, model)
    return problem
