"""Python packages that are not installed, found out before anything is imported."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from unmask_sdk.errors import MissingDependencyError


def missing_packages(names: Sequence[str]) -> list[str]:
    """Gives those of the packages that are not installed.

    Args:
        names: Packages; `a|b` stands for either. `a.b` imports `a`, nothing else is imported.
    """
    absent = [name for name in names if not any(map(_is_there, name.split("|")))]
    return [name.replace("|", " or ") for name in absent]


def missing_message(what: str, absent: Sequence[str]) -> str:
    """Says that something needs packages that are not installed."""
    are = "is" if len(absent) == 1 else "are"
    *others, last = absent
    named = f"{', '.join(others)} and {last}" if others else last
    return f"{what} needs {named}, which {are} not installed"


def require_packages(what: str, *names: str, extra: str) -> None:
    """Refuses to go on without the packages.

    Args:
        what: What needs them, such as `unmask train`.
        *names: The packages, as they are imported.
        extra: The extra of unmask-sdk that brings them.

    Raises:
        MissingDependencyError: If one of them is not installed.
    """
    absent = missing_packages(names)
    if absent:
        raise MissingDependencyError(f"{missing_message(what, absent)}; {install_command(extra)}")


def pip_command(arguments: str) -> str:
    """Gives a command of the pip that belongs to the Python that runs.

    It is plain `pip …` only where that is what a shell would find: an environment that was not
    activated is started by its path, and `pip` alone would change another one.

    Args:
        arguments: Such as `install av`.
    """
    # Needed for errors alone, and not by `import unmask_sdk`.
    import shutil
    import sysconfig

    found, own = shutil.which("pip"), sysconfig.get_path("scripts")
    if found and os.path.realpath(os.path.dirname(found)) == os.path.realpath(own):
        return f"pip {arguments}"
    return f"{shlex.quote(sys.executable)} -m pip {arguments}"


def install_command(extra: str) -> str:
    """Gives the command that brings an extra of this package, from where the package came from.

    Args:
        extra: Such as `cpu`, or several with commas between.
    """
    # Slow to import, and seldom needed.
    from importlib.metadata import PackageNotFoundError, distribution

    named = f"unmask-sdk[{extra}]"
    try:
        # PEP 610: only there if it came from elsewhere than an index.
        origin = json.loads(distribution("unmask-sdk").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, OSError, ValueError):
        origin = {}
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
    except ImportError:  # The package that `name` lies in is not there, or does not import.
        return False
