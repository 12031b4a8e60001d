"""Sends what other libraries print or warn to `logging`, at the level DEBUG."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_LOG = logging.getLogger("unmask_sdk.third_party")

# Of Pillow's warnings, those about files; a `DecompressionBombWarning` is a `RuntimeWarning`.
_NOISE = (UserWarning, RuntimeWarning)

# Warnings are state of the process: the first thread to enter changes it, the last one restores it.
_LOCK = threading.Lock()
_entered = 0
_STDERR = threading.Lock()
_STDERR_FD = 2
_outer: Any = None


@contextmanager
def logged_pillow_warnings() -> Iterator[None]:
    """Logs Pillow's warnings about unusual or large files, which are decoded all the same.

    Without it they would be printed, or become errors with `python -W error`. Other warnings are
    treated as before. Threads may be in it at the same time.
    """
    if getattr(sys.flags, "context_aware_warnings", False):
        with _logging_filter():
            yield
        return
    global _entered, _outer
    with _LOCK:
        if not _entered:
            _outer = _logging_filter()
            _outer.__enter__()
        _entered += 1
    try:
        yield
    finally:
        with _LOCK:
            _entered -= 1
            if not _entered:
                _outer.__exit__(None, None, None)
                _outer = None


@contextmanager
def _logging_filter() -> Iterator[None]:
    with warnings.catch_warnings():
        show: Any = warnings.showwarning

        def log(message: Any, category: Any, filename: str, *rest: Any) -> None:
            if issubclass(category, _NOISE) and "PIL" in Path(filename).parts:
                _LOG.debug("%s", message)
            else:
                show(message, category, filename, *rest)

        state: Any = warnings
        state.showwarning = log
        for category in _NOISE:
            warnings.filterwarnings("always", category=category, module=r"PIL\.")
        yield


@contextmanager
def logged_stderr(noise: str) -> Iterator[None]:
    """Logs the lines that native code writes to stderr; only one thread at a time is in it.

    Args:
        noise: Regular expression of a line's beginning. Other lines, of other threads or of another
            kind, are written to stderr afterwards.
    """
    with _STDERR, ExitStack() as stack:
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            real = os.dup(_STDERR_FD)
            stack.callback(os.close, real)
            caught = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(caught.fileno(), _STDERR_FD)
        except (OSError, ValueError):  # There is no stderr, or no place for a file.
            yield
            return
        try:
            yield
        finally:
            os.dup2(real, _STDERR_FD)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if re.match(noise.encode(), line):
                    _LOG.debug("%s", line.decode(errors="replace").rstrip())
                else:
                    os.write(real, line)
