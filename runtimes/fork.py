"""Keeps a forked child away from the engines that its parent opened.

A fork copies one thread only. The other threads of an engine are gone in the child while its locks
and queues still count on them, so running or freeing it hangs or crashes, at the latest when the
child exits. Here the child gives up what it inherited: it is neither run nor freed. Its memory is
shared with the parent until the parent writes to it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from typing import Any, Protocol

# Modules with a pool of threads that does not start again in a forked child.
_POOLED = ("torch",)


class Inherited(Protocol):
    """Something that must not be used or freed in a forked child."""

    def give_up(self) -> None:
        """Makes later calls raise; called in the child."""
        ...


_opened: weakref.WeakSet[Any] = weakref.WeakSet()
_pooled_before_fork: set[str] = set()


def give_up_after_fork(opened: Inherited) -> None:
    """Calls `opened.give_up()` in each child that this process forks while it is open."""
    _opened.add(opened)


def never_free(handle: object) -> None:
    """Keeps an object alive until the process is gone, past the end of Python."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))


def pooled_before_fork(module: str) -> bool:
    """Returns whether a module, such as `torch`, was imported before this process was forked."""
    return module in _pooled_before_fork


def _in_child() -> None:
    _pooled_before_fork.update(name for name in _POOLED if name in sys.modules)
    for opened in list(_opened):
        opened.give_up()
    _opened.clear()


if hasattr(os, "register_at_fork"):  # Windows cannot fork.
    os.register_at_fork(after_in_child=_in_child)
