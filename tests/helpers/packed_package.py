"""The npm package as it is published: what `npm pack` makes of a copy of `web/`."""

from __future__ import annotations

import shutil
from pathlib import Path

import npm_packages

ROOT = Path(__file__).parents[2]
# What the publisher's machine makes anew.
BUILT = ("node_modules", "models", "types", "*.tgz")


def pack(folder: Path) -> Path:
    """Packs the package as its publisher does, and returns the `.tgz` file.

    Args:
        folder: An empty one. It gets a copy of the repository, because tests that run at the same
            time use `web/models`; all but `web/` are links.
    """
    npm_packages.install()
    for entry in ROOT.iterdir():
        if entry.name != "web":
            (folder / entry.name).symlink_to(entry)
    web = shutil.copytree(ROOT / "web", folder / "web", ignore=shutil.ignore_patterns(*BUILT))
    (web / "node_modules").symlink_to(ROOT / "web/node_modules")
    name = npm_packages.run_npm("pack", "--silent", folder=web).splitlines()[-1]
    return web / name
