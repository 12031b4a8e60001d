"""Why `load()` took a runtime, or passed it over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A runtime that was considered.

    Attributes:
        name: The runtime's name.
        usable: Whether it could be used. `load()` takes the first that is.
        reason: Why not, or what it runs.
        fix: Command or argument that would make it usable; None if it is, or none is known.
    """

    name: str
    usable: bool
    reason: str
    fix: str | None = None

    @property
    def mend(self) -> str | None:  # codespell:ignore mend
        """The former name of `fix`."""
        return self.fix
