"""Finds missing Python packages before anything is imported, and names the command to install."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from unmask_sdk.errors import MissingDependencyError


def missing_packages(names: Sequence[str]) -> list[str]:
    """Returns those of the packages that are not installed.

    Args:
        names: Packages; `a|b` means either. `a.b` imports `a`; nothing else is imported.
    """
    absent = [name for name in names if not any(map(_is_there, name.split("|")))]
    return [name.replace("|", " or ") for name in absent]


def missing_message(what: str, absent: Sequence[str]) -> str:
    """Returns an error message: something needs packages that are not installed."""
    are = "is" if len(absent) == 1 else "are"
    *others, last = absent
    named = f"{', '.join(others)} and {last}" if others else last
    return f"{what} needs {named}, which {are} not installed"


def require_packages(what: str, *names: str, extra: str) -> None:
    """Raises an error if one of the packages is not installed.

    Args:
        what: What needs them, such as `unmask train`.
        *names: The packages, by the names that are imported.
        extra: The extra of unmask-sdk that installs them.

    Raises:
        MissingDependencyError: If one of them is not installed.
    """
    absent = missing_packages(names)
    if absent:
        raise MissingDependencyError(f"{missing_message(what, absent)}; {install_command(extra)}")


def refuse_newer(what: str, package: str, major: int, *, extra: str) -> None:
    """Raises an error if an installed package has at least a given major version.

    Args:
        what: What needs it, such as `unmask video`.
        package: The package, by its name at pip.
        major: The first major version that does not work.
        extra: The extra of unmask-sdk that installs one that works.

    Raises:
        MissingDependencyError: If it is too new.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(package)
    except PackageNotFoundError:  # Put into the path without its metadata.
        return
    if int(found.partition(".")[0]) >= major:
        raise MissingDependencyError(
            f"{what} needs {package} below {major}, and {found} is installed; "
            f"{install_command(extra)}"
        )


def pip_command(arguments: str) -> str:
    """Returns a command line for the pip of the running Python.

    It is plain `pip …` only if that is the one a shell would find: if the environment was not
    activated but its Python was started by path, `pip` alone would change another environment. An
    app that a bundler made has no pip: it has to be built again.

    Args:
        arguments: Such as `install av`.
    """
    if getattr(sys, "frozen", False):
        return f"pip {arguments} where this app is built, and build it again"
    # Only needed for error messages, so `import unmask_sdk` does not pay for them.
    import shutil
    import sysconfig

    found, own = shutil.which("pip"), sysconfig.get_path("scripts")
    if found and os.path.realpath(os.path.dirname(found)) == os.path.realpath(own):
        return f"pip {arguments}"
    return f"{shlex.quote(sys.executable)} -m pip {arguments}"


def install_command(extra: str) -> str:
    """Returns the command that installs an extra of this package, from where the package came.

    Args:
        extra: Such as `cpu`, or several separated by commas.
    """
    # Slow to import and rarely needed.
    from importlib.metadata import distributions

    named = f"unmask-sdk[{extra}]"
    origin: dict[str, Any] = {}
    for found in distributions(name="unmask-sdk"):
        # In a clone, a build leaves metadata of its own, which a Python started there finds first.
        if found.read_text("SOURCES.txt") is not None:
            continue
        with contextlib.suppress(OSError, ValueError):
            # PEP 610: the file exists only if the package did not come from an index.
            origin = json.loads(found.read_text("direct_url.json") or "{}")
        break
    url = str(origin.get("url", ""))
    if "dir_info" in origin:
        flag = "-e " if origin["dir_info"].get("editable") else ""
        return pip_command(f"install {flag}'{unquote(urlsplit(url).path)}[{extra}]'")
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return pip_command(f"install '{named} @ {vcs.get('vcs')}+{url}@{vcs.get('commit_id')}'")
    return pip_command(f"install '{named} @ {url}'" if url else f"install '{named}'")


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # The parent package is missing or fails to import.
        return False
