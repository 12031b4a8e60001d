"""The npm packages that the web package is tested with, and its model files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from unmask_sdk.web.models import write_models

WEB = Path(__file__).parents[2] / "web"


def install() -> None:
    """Fills `web/node_modules` and `web/models` if they are not as the repository wants them."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    with FileLock(WEB / ".npm.lock"):
        installed = WEB / "node_modules/.package-lock.json"
        if not newer(installed, WEB / "package-lock.json"):
            run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        sources = [WEB.parent / "unmask_sdk/artifacts/manifest.json", *WEB.glob("*.py")]
        if not all(newer(WEB / "models/manifest.json", source) for source in sources):
            write_models(WEB / "models")


def run_npm(*arguments: str, folder: Path = WEB) -> str:
    """Runs npm in a folder and returns what it prints; fails the test if npm fails."""
    # Scripts of `package.json` run this Python.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PATH": path},
        check=False,
    )
    assert done.returncode == 0, f"npm {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def newer(file: Path, than: Path) -> bool:
    """Returns whether a file exists and is not older than another."""
    return file.exists() and file.stat().st_mtime >= than.stat().st_mtime
