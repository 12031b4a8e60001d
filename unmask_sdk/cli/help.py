"""The text that `--help` shows for a command, and what holds for each command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

from .failures import EXPECTED, describe_failure
from .json_output import error_record, print_json

# Line breaks within a paragraph: not at its end, nor before a list item or an indented line.
_BREAK = re.compile(r"(?<!\n)\n(?![\n ]|[-*] )")
# Brackets and dots that some versions of Typer add to a name that already ends with dots.
_DRESSED = re.compile(r"[{\[](.+\.\.\.)[}\]]\.\.\.")
# Braces that some versions add to a required argument.
_BRACED = re.compile(r"^\{(.+)\}$")


class Command(TyperCommand):
    """A command whose usage line shows argument names as they were given, and required options.

    With `--json`, an error that ends it is printed as JSON too.
    """

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            if ctx.params.get("as_json"):
                print_json({"error": error_record(type(error).__name__, describe_failure(error))})
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the parts of the usage line: options, arguments, options that are required."""
        pieces = [
            _BRACED.sub(r"\1", _DRESSED.sub(r"\1", piece))
            for piece in super().collect_usage_pieces(ctx)
        ]
        required = [option for option in self.params if option.required and _is_option(option)]
        return pieces + [f"{max(o.opts, key=len)} {str(o.name).upper()}" for o in required]


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def help_of(function: Callable[..., None]) -> str:
    """Returns the docstring with each paragraph on one line, for the terminal to wrap."""
    return _BREAK.sub(" ", inspect.getdoc(function) or "")
