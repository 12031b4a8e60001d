"""Writes `manifest.json` and the files that it lists: all of them or none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from unmask_sdk.core.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Artifact,
    list_files,
    read_manifest,
    resolve_inside,
)
from unmask_sdk.errors import ArtifactError, ExportError

from .write_files import write_files, writing_to


def check(folder: Path) -> None:
    """Checks that entries can be added to a folder's manifest.

    Raises:
        ExportError: If the folder has a manifest that cannot be read.
    """
    try:
        merge(folder, ())
    except ArtifactError as error:
        raise ExportError(
            f"{folder / MANIFEST_NAME} is damaged or of another version, nothing can be added to "
            "it; remove it, or choose another folder with --out"
        ) from error


def merge(folder: Path, new: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Returns a folder's artifacts with the new ones added.

    A new artifact replaces one with the same name, format and precision. A folder holds one set of
    weights per name, so old artifacts of the name that were made from other weights are dropped.
    Two formats may share a file; an old artifact whose file is overwritten with other bytes is
    dropped. Old artifacts that share a file of golden vectors with a new one take over its digest,
    because another machine may write other bytes for the same weights.

    Raises:
        ArtifactError: If the folder has a manifest that cannot be read.
    """
    old = read_manifest(folder).artifacts if (folder / MANIFEST_NAME).exists() else ()
    replaced = {_key(artifact) for artifact in new}
    weights = {artifact.name: artifact.weights_sha256 for artifact in new}
    written = {artifact.file: artifact.sha256 for artifact in new if artifact.package is None}
    golden = {artifact.golden.file: artifact.golden.sha256 for artifact in new}
    kept = []
    for artifact in old:
        if (
            _key(artifact) in replaced
            or artifact.weights_sha256 != weights.get(artifact.name, artifact.weights_sha256)
            or artifact.sha256 != written.get(artifact.file, artifact.sha256)
        ):
            continue
        file = artifact.golden.file
        shared = replace(artifact.golden, sha256=golden.get(file, artifact.golden.sha256))
        kept.append(replace(artifact, golden=shared))
    return tuple(sorted((*kept, *new), key=_key))


def write(folder: Path, artifacts: Sequence[Artifact], files: Mapping[str, bytes]) -> None:
    """Writes the files, then the manifest that lists them; all of them or none.

    Args:
        folder: Folder to write to; created if missing.
        artifacts: All entries of the new manifest.
        files: Contents of the files by their paths relative to the folder.

    Raises:
        ExportError: If the folder cannot be written to.
        ArtifactError: If a path leads out of the folder.
    """
    write_files(folder, {**files, MANIFEST_NAME: manifest_content(artifacts)})
    with writing_to(folder):
        _clear_folders(folder, artifacts, files)


def manifest_content(artifacts: Sequence[Artifact]) -> bytes:
    """Returns the content of a `manifest.json` that lists artifacts."""
    text = json.dumps(
        {"schema": SCHEMA, "artifacts": [asdict(artifact) for artifact in artifacts]},
        indent=2,
        ensure_ascii=False,
    )
    return f"{text}\n".encode()


def _clear_folders(folder: Path, artifacts: Sequence[Artifact], files: Mapping[str, bytes]) -> None:
    """Removes files of an older artifact from the folder of a new one."""
    for place in {artifact.file for artifact in artifacts if artifact.package is None}:
        new = {resolve_inside(folder, name) for name in files if name.startswith(f"{place}/")}
        if new:
            for file in set(list_files(resolve_inside(folder, place))) - new:
                file.unlink()


def _key(artifact: Artifact) -> tuple[str, str, str]:
    return artifact.name, artifact.format, artifact.precision
