"""The `unmask` command line. One file for each command, with heavy imports inside the function."""

from __future__ import annotations

import os
import signal

# `signals.INTERRUPTED`, which is not imported here: see `main`.
_INTERRUPTED = 130


def main() -> None:
    """Runs the command line. A failure becomes one line and exit code 1.

    Importing the command line takes a large part of a second. Nothing has to be cleaned up then,
    and Ctrl-C would otherwise be raised anywhere in those imports, with a traceback. So this module
    imports nothing else.
    """
    handler = signal.getsignal(signal.SIGINT)
    # Shells start background jobs with Ctrl-C ignored.
    if handler == signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)
    from .app import run

    signal.signal(signal.SIGINT, handler)
    run()


def _quit(*_: object) -> None:
    os.write(2, b"unmask: interrupted\n")
    os._exit(_INTERRUPTED)
