"""`unmask_sdk.verify()`: golden vectors of chosen model files, with one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .core.manifest import MANIFEST_NAME
from .errors import VerificationError
from .golden_vectors import Check, iter_checks


@dataclass(frozen=True)
class VerifyReport:
    """What golden vectors showed on this device.

    Attributes:
        checks: One record for each model file and runtime, in the order in which they were run.
    """

    checks: tuple[Check, ...]

    @property
    def right(self) -> tuple[Check, ...]:
        """Those that passed."""
        return tuple(check for check in self.checks if check.ok)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """Those that did not pass."""
        return tuple(check for check in self.checks if check.ok is False)

    @property
    def not_run(self) -> tuple[Check, ...]:
        """Those that could not be run here; `note` says why."""
        return tuple(check for check in self.checks if check.ok is None)

    @property
    def ok(self) -> bool:
        """Whether something was run, and all of it passed."""
        return bool(self.right) and not self.wrong

    def raise_if_wrong(self) -> None:
        """Raises unless `ok`.

        Raises:
            VerificationError: Naming what did not pass, or that nothing could be run.
        """
        if self.wrong:
            names = ", ".join(
                f"{check.artifact} {check.format} {check.precision} on {check.runtime}"
                for check in self.wrong
            )
            raise VerificationError(
                f"these fail, or differ from the reference: {names}; use another runtime, and "
                "report this with the output of `unmask doctor --json`"
            )
        if not self.right:
            raise VerificationError("nothing could be run here; see `unmask doctor`")

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data that `json.dumps` takes."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}


def verify(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    artifacts: str | os.PathLike[str] | None = None,
    runtime: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    progress: Callable[[Check], object] | None = None,
) -> VerifyReport:
    """Runs the golden vectors of model files again, on this device.

    Args:
        models: Model files next to their `manifest.json`, folders with one, or names such as
            `unmask-256`; all by default.
        artifacts: Folder in which names are looked up; the package's own by default.
        runtime: Checks this runtime only, which then has to be usable; `auto` is the one that
            `load()` takes. By default all are checked, those of other packages too.
        device: `cpu`, `cuda`, or Core ML's `all`, `gpu` or `ane`; None takes each runtime's
            default.
        threads: Threads for one run; None leaves it to the engine.
        progress: Called with each record as it is done.

    Returns:
        A report; wrong outputs do not raise, `VerifyReport.raise_if_wrong` does.

    Raises:
        ArtifactError: If a manifest is missing or not valid, or has nothing by one of the names.
        UnmaskError: If the runtime that was asked for cannot be used.
    """
    given = [models] if isinstance(models, str | os.PathLike) else models
    folder = None if artifacts is None else Path(artifacts)
    checks = []
    for place, names in _selection(given, folder).items():
        for check in iter_checks(place, runtime, names=names, device=device, threads=threads):
            checks.append(check)
            if progress is not None:
                progress(check)
    return VerifyReport(tuple(checks))


def _selection(
    models: Sequence[str | os.PathLike[str]], artifacts: Path | None
) -> dict[Path | None, list[str]]:
    """Returns the names of the models to check by folder; no name stands for all of a folder."""
    if not models:
        return {artifacts: []}
    named: dict[Path | None, list[str]] = {}
    whole: dict[Path | None, list[str]] = {}
    for model in models:
        path = Path(model).absolute()
        if not os.path.exists(model):  # Unlike Path's, no error where a name is too long.
            named.setdefault(artifacts, []).append(os.fspath(model))
        elif (path / MANIFEST_NAME).is_file() and not path.suffix:  # Not a .mlpackage's own.
            whole[path] = []
        else:
            named.setdefault(path.parent, []).append(path.name)
    return {**named, **whole}
