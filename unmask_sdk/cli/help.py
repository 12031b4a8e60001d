"""What `--help` shows of a command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

# Within a paragraph: not at its end, nor before an entry of a list or a line that is set in.
_BREAK = re.compile(r"(?<!\n)\n(?![\n ]|[-*] )")
# What Typer, by its version, puts round a name that says by itself that there may be several.
_DRESSED = re.compile(r"[{\[](.+\.\.\.)[}\]]\.\.\.")


class Command(TyperCommand):
    """A command whose usage line shows names as they were given."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [_DRESSED.sub(r"\1", piece) for piece in super().collect_usage_pieces(ctx)]


def help_of(function: Callable[..., None]) -> str:
    """Returns the docstring with each paragraph in one line, for the terminal to break."""
    return _BREAK.sub(" ", inspect.getdoc(function) or "")
