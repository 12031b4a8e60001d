"""The commands as one program: what holds for all of them, and how failures are reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from unmask_sdk.core.opencv import opencv_problem
from unmask_sdk.errors import InvalidInputError

from .commands import COMMANDS, GROUPS, load_command
from .failures import EXPECTED, describe_failure
from .help import Command, help_of
from .signals import print_interruption, raise_on_sigterm
from .streams import fill_closed_streams


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt as ended:
        raise SystemExit(print_interruption(ended)) from None


class _Commands(TyperGroup):
    """The group of commands, with checks and clean-up around each of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # While a line is completed, words may be empty.
        if not ctx.resilient_parsing:
            _check_words(args)
        return super().parse_args(ctx, args)

    # Typer would end these two without a message.
    @_interruptible()
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return super().make_context(*args, **kwargs)

    @_interruptible()
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        finally:
            # Now, while an error such as a full disk can still be reported.
            sys.stdout.flush()


def _check_words(words: list[str]) -> None:
    """Refuses empty arguments: as a path, they would be the current folder."""
    for index, word in enumerate(words):
        if not word or (word.startswith("-") and word.endswith("=")):
            place = f"after {' '.join(words[:index])}" if index else "first"
            raise InvalidInputError(
                f"an argument is empty, {place}; is a shell variable not set? "
                "for the current folder use ."
            )


app = typer.Typer(
    name="unmask",
    cls=_Commands,
    help="Remove face masks from photos and videos, on the device.",
    epilog="Documentation: docs/commands.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
        typer.Option(
            "--version", "-V", help="Show the version.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def register(words: Sequence[str] = ()) -> None:
    """Adds the command that the words of a command line name, or else all of them.

    Importing a command takes time, even with its heavy imports inside the function.
    """
    named = next((word for word in words if not word.startswith("-")), None)
    for group, entries in GROUPS.items():
        for name, entry in entries.items():
            if named in COMMANDS and name != named:
                continue
            function = load_command(name)
            app.command(
                name,
                cls=Command,
                help=help_of(function),
                epilog=f"Documentation: {entry.page}",
                rich_help_panel=group,
            )(function)


@_interruptible()
def run() -> None:
    """Runs the command that `sys.argv` names."""
    fill_closed_streams()
    raise_on_sigterm()
    try:
        register(sys.argv[1:])
        app()
    except EXPECTED as error:
        _fail(describe_failure(error))
    except Exception:
        # The import of a broken OpenCV raises anything. Faults of ours keep their traceback.
        problem = opencv_problem()
        if problem is None:
            raise
        _fail(problem)


def _fail(message: str) -> NoReturn:
    # After a hang-up there may be no terminal to print to.
    with suppress(OSError):
        print(f"unmask: error: {message}", file=sys.stderr)
    raise SystemExit(1) from None
