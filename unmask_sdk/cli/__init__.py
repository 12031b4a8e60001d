"""The `unmask` command. One file a command; heavy imports stay inside the commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ..errors import UnmaskError
from .signals import INTERRUPTED, TERMINATED, Terminated


class _Commands(TyperGroup):
    """Finishes what Typer leaves open, whichever command runs."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Terminated:
            print("unmask: terminated", file=sys.stderr)
            raise typer.Exit(TERMINATED) from None
        except KeyboardInterrupt:
            # Typer would end without a word.
            print("unmask: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        finally:
            # Now, while a full disk can still be told of.
            sys.stdout.flush()


app = typer.Typer(
    name="unmask",
    cls=_Commands,
    help="Take the face mask off a face picture, on the device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"unmask-sdk {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


def _register() -> None:
    from . import commands

    for name, function in commands.COMMANDS.items():
        app.command(name)(function)


def main() -> None:
    """Runs the command line: a failure becomes one line and exit code 1."""
    _register()
    try:
        app()
    except UnmaskError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_told(error))


def _fail(words: str) -> NoReturn:
    print(f"unmask: error: {words}", file=sys.stderr)
    raise SystemExit(1) from None


def _told(error: OSError) -> str:
    """Says what the system refused, and for which file."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    try:
        sys.stdout.flush()
    except OSError:
        # Whatever could not be printed would fail once more as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # Only an error in the middle of a file names none.
    return f"standard output, or a file being written: {reason}"
