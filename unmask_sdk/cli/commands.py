"""The table of commands: in groups as the help shows them, each imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
    """A command, as plain data: nothing is imported.

    Attributes:
        module: Its module in `unmask_sdk.cli`.
        page: Page of the documentation about it, for the end of its help.
    """

    module: str
    page: str = "docs/commands.md"


GROUPS: dict[str, dict[str, CommandEntry]] = {
    "Photos and video": {
        "image": CommandEntry("media.image"),
        "folder": CommandEntry("media.folder"),
        "video": CommandEntry("media.video"),
        "camera": CommandEntry("media.camera"),
        "web": CommandEntry("media.web", "docs/web.md"),
    },
    "Models": {
        "doctor": CommandEntry("models.doctor", "docs/formats.md"),
        "verify": CommandEntry("models.verify", "docs/formats.md"),
        "bench": CommandEntry("models.bench", "docs/benchmarks.md"),
        "parity": CommandEntry("models.parity", "docs/formats.md"),
        "build": CommandEntry("models.build", "docs/jetson.md"),
        "cache": CommandEntry("models.cache"),
        "export": CommandEntry("models.export", "docs/formats.md"),
        "calibrate": CommandEntry("models.calibrate", "docs/formats.md"),
    },
    "Training": {
        "synth": CommandEntry("training.synth", "docs/training.md"),
        "train": CommandEntry("training.train", "docs/training.md"),
        "evaluate": CommandEntry("training.evaluate", "docs/training.md"),
        "cost": CommandEntry("training.cost"),
        "train-locator": CommandEntry("training.train_locator", "docs/training.md"),
        "evaluate-locator": CommandEntry("training.evaluate_locator", "docs/training.md"),
        "release": CommandEntry("models.release", "docs/training.md"),
    },
}

COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


def load_command(name: str) -> Callable[..., None]:
    """Imports a command, and returns its function, which is named as its module is."""
    module = importlib.import_module(f"unmask_sdk.cli.{COMMANDS[name].module}")
    function: Callable[..., None] = getattr(module, name.replace("-", "_"))
    return function
