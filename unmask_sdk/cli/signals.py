"""SIGTERM, which docker and systemd send, ends a command as tidily as Ctrl-C does."""

from __future__ import annotations

import signal
import sys
import threading
from typing import NoReturn

# Exit codes as in shells: 128 plus the number of the signal.
INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


def raise_on_sigterm() -> None:
    """Makes SIGTERM raise `Terminated`, so that partial files are cleaned up."""
    signal.signal(signal.SIGTERM, _raise)


def finish_on_signal(end: threading.Event) -> None:
    """Makes the first Ctrl-C or SIGTERM set `end`; the second raises as usual."""

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise_on_sigterm()
        end.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, handle)


def print_interruption(ended: KeyboardInterrupt) -> int:
    """Prints one line about what interrupted the command, and returns its exit code."""
    terminated = isinstance(ended, Terminated)
    print(f"unmask: {'terminated' if terminated else 'interrupted'}", file=sys.stderr)
    return TERMINATED if terminated else INTERRUPTED


def _raise(*_: object) -> NoReturn:
    raise Terminated
