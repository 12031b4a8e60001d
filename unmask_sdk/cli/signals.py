"""SIGTERM, which docker and systemd send, ends a command as tidily as Ctrl-C does."""

from __future__ import annotations

import signal
from typing import NoReturn

# Exit codes, as shells have them: 128 and the signal's number.
INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def end_tidily() -> None:
    """From now on SIGTERM raises `Terminated`, so that no half of a file is left."""
    signal.signal(signal.SIGTERM, _raise)


def _raise(*_: object) -> NoReturn:
    raise Terminated
