"""The table of commands: name on the command line to function."""

from __future__ import annotations

from collections.abc import Callable

from .train_locator import train_locator

COMMANDS: dict[str, Callable[..., None]] = {
    "train-locator": train_locator,
}
