"""Folders of exported networks, put together from others: exporting again would take minutes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path


def add_artifacts(folder: Path, source: Path, chosen: Collection[tuple[str, str]]) -> None:
    """Copies artifacts, their weights and golden vectors, and lists them in the folder's manifest.

    Args:
        folder: Folder to add to; it may have a manifest.
        source: Folder with a manifest.
        chosen: Formats and precisions of the artifacts.
    """
    from unmask_sdk.core.manifest import read_manifest
    from unmask_sdk.export import manifest

    wanted = {*chosen, ("safetensors", "fp32")}
    found = [a for a in read_manifest(source).artifacts if (a.format, a.precision) in wanted]
    for file in {name for a in found for name in (a.file, a.golden.file)}:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / file).is_dir():
            shutil.copytree(source / file, target, dirs_exist_ok=True)
        else:
            shutil.copy(source / file, target)
    manifest.write(folder, manifest.merge(folder, found), {})
