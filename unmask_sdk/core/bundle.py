"""How the package got here, where that decides what brings missing files back."""

from __future__ import annotations

import sys
from pathlib import Path

_BUNDLERS = (
    "PyInstaller: --collect-data unmask_sdk; Nuitka: --include-package-data=unmask_sdk; py2exe and "
    "cx_Freeze: copy the folder unmask_sdk/artifacts"
)


def how_to_restore(path: Path, otherwise: str) -> str:
    """Returns the fix for a file of this package that is missing or damaged.

    Args:
        path: The file.
        otherwise: The fix where the package was installed as usual.
    """
    archive = next((folder for folder in path.parents if folder.is_file()), None)
    if archive is not None:
        return (
            f"{archive} is one file, and engines read model files from real folders: unpack it, "
            "or install unmask-sdk with pip"
        )
    # PyInstaller, Nuitka's --standalone, py2exe and cx_Freeze set it.
    if getattr(sys, "frozen", False) or "__compiled__" in globals():
        return (
            f"this app was built without it; build it again with the package's data ({_BUNDLERS})"
        )
    if not path.exists():
        return f"{otherwise}; if a tool made an app of it, add the package's data ({_BUNDLERS})"
    return otherwise
