"""The table of commands: name on the command line to function."""

from __future__ import annotations

from collections.abc import Callable

from .doctor import doctor
from .export import export
from .train_locator import train_locator
from .verify import verify

COMMANDS: dict[str, Callable[..., None]] = {
    "doctor": doctor,
    "export": export,
    "verify": verify,
    "train-locator": train_locator,
}
