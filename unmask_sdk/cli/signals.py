"""SIGTERM and SIGHUP end a command as tidily as Ctrl-C does.

Docker and systemd send the first, a terminal or an SSH connection that closes the second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

# Exit codes as in shells: 128 plus the number of the signal.
HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


class HungUp(Terminated):
    """SIGHUP was received: the terminal is gone."""


def raise_on_sigterm() -> None:
    """Makes SIGTERM and SIGHUP raise `Terminated`, so that partial files are cleaned up."""
    handle_termination(_raise)


def handle_termination(handler: Callable[[int, Any], object]) -> None:
    """Sets the handler of SIGTERM, and of SIGHUP unless that is ignored, as under `nohup`.

    Once a terminal is gone, what would be printed to it is dropped instead of failing. Does nothing
    outside the main thread, the only one that Python lets set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, handler)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:

        def hang_up(number: int, frame: Any) -> None:
            _leave_terminal()
            handler(number, frame)

        signal.signal(hangup, hang_up)


def raise_on_second(first: int) -> None:
    """Makes the next SIGTERM raise `Terminated`, and the next SIGHUP too unless `first` was one.

    When a terminal closes, both the shell and the kernel send SIGHUP: the second is no request to
    hurry.
    """
    if first == getattr(signal, "SIGHUP", None):
        signal.signal(first, signal.SIG_IGN)
    raise_on_sigterm()


def finish_on_signal(end: threading.Event) -> None:
    """Makes the first Ctrl-C, SIGTERM or SIGHUP set `end`; the second raises as usual."""

    def handle(number: int, _: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise_on_second(number)
        end.set()

    signal.signal(signal.SIGINT, handle)
    handle_termination(handle)


def print_interruption(ended: KeyboardInterrupt) -> int:
    """Prints one line about what interrupted the command, and returns its exit code."""
    word, code = "interrupted", INTERRUPTED
    if isinstance(ended, HungUp):
        word, code = "hung up", HUNG_UP
    elif isinstance(ended, Terminated):
        word, code = "terminated", TERMINATED
    # After a hang-up there may be no terminal to print to.
    with contextlib.suppress(OSError):
        print(f"unmask: {word}", file=sys.stderr)
    return code


def _leave_terminal() -> None:
    """Opens the null device in place of standard streams whose terminal has closed."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            # A closed terminal still is a device, but no terminal any more.
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)


def _raise(number: int, _: object) -> NoReturn:
    raise HungUp if number == getattr(signal, "SIGHUP", None) else Terminated
