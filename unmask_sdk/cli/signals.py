"""SIGTERM, which docker and systemd send, ends a command as tidily as Ctrl-C does."""

from __future__ import annotations

import signal
import sys
import threading
from typing import NoReturn

# Exit codes, as shells have them: 128 and the signal's number.
INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def end_tidily() -> None:
    """From now on SIGTERM raises `Terminated`, so that no half of a file is left."""
    signal.signal(signal.SIGTERM, _raise)


def end_after_this(end: threading.Event) -> None:
    """From now on the first Ctrl-C or SIGTERM sets `end`; the second raises, as ever."""

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_tidily()
        end.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, handle)


def tell_end(ended: KeyboardInterrupt) -> int:
    """Says in a line what ended the command, and gives its exit code."""
    terminated = isinstance(ended, Terminated)
    print(f"unmask: {'terminated' if terminated else 'interrupted'}", file=sys.stderr)
    return TERMINATED if terminated else INTERRUPTED


def _raise(*_: object) -> NoReturn:
    raise Terminated
