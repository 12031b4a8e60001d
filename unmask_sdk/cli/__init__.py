"""The `unmask` command. One file a command; heavy imports stay inside the commands."""

from __future__ import annotations

import sys

import typer

from ..errors import UnmaskError

app = typer.Typer(
    name="unmask",
    help="Take the face mask off a face picture, on the device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    from . import commands

    for name, function in commands.COMMANDS.items():
        app.command(name)(function)


def main() -> None:
    """Runs the command line: our own errors become one line and exit code 1."""
    _register()
    try:
        app()
    except UnmaskError as error:
        print(f"unmask: error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("unmask: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
