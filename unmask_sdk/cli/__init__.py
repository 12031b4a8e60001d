"""The `unmask` command. One file a command; heavy imports stay inside the commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from unmask_sdk.errors import InvalidInputError, UnmaskError

from .signals import tell_end


@contextmanager
def _interruptible() -> Iterator[None]:
    """Prints one line and an exit code of Ctrl-C and SIGTERM."""
    try:
        yield
    except KeyboardInterrupt as ended:
        raise SystemExit(tell_end(ended)) from None


class _Commands(TyperGroup):
    """Finishes what Typer leaves open, whichever command runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _check_words(args)
        return super().parse_args(ctx, args)

    # Typer itself would end these two without a word.
    @_interruptible()
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return super().make_context(*args, **kwargs)

    @_interruptible()
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        finally:
            # Now, while a full disk can still be told of.
            sys.stdout.flush()


def _check_words(words: list[str]) -> None:
    """Refuses empty words: as a path they would be the current folder and all that lies in it."""
    for index, word in enumerate(words):
        if not word or (word.startswith("-") and word.endswith("=")):
            place = f"after {' '.join(words[:index])}" if index else "first"
            raise InvalidInputError(
                f"an argument is empty, {place}; is a variable of the shell not set? "
                "for the current folder write ."
            )


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
        from unmask_sdk import __version__

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
    from .commands import COMMANDS
    from .help import Command, help_of

    for name, function in COMMANDS.items():
        app.command(name, cls=Command, help=help_of(function))(function)


@_interruptible()
def main() -> None:
    """Runs the command line: a failure becomes one line and exit code 1."""
    try:
        _register()
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
