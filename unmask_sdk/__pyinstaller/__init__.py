"""The hook for PyInstaller, which finds it by the entry point `pyinstaller40`."""

from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Returns the folders of hooks."""
    return [str(Path(__file__).parent)]
