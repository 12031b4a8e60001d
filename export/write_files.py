"""Writes the files of an export: all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from unmask_sdk.core.atomic_write import PartialFile
from unmask_sdk.core.manifest import resolve_inside
from unmask_sdk.errors import ExportError


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes files, which appear together.

    Every file is written under a temporary name first and moved in at the end, in the order given:
    an export that is interrupted leaves the old files or the new ones, never a partial one.

    Args:
        folder: Folder to write to; created if missing.
        contents: Contents of the files by their paths relative to the folder.

    Raises:
        ExportError: If the folder cannot be written to.
        ArtifactError: If a path leads out of the folder.
    """
    with writing_to(folder), ExitStack() as undo:
        _make(folder, undo)
        new = []
        for name, content in contents.items():
            target = resolve_inside(folder, name)
            _make(target.parent, undo)
            file = PartialFile(target)
            undo.callback(file.discard)
            file.write(content)
            new.append(file)
        for file in new:
            file.commit()


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns what the system reports while a folder is written to into `ExportError`."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"cannot write to {folder}: {error.strerror}; make room there, or choose another "
            "folder with --out"
        ) from error


def _make(folder: Path, undo: ExitStack) -> None:
    """Creates a folder and its parents; `undo` removes the new ones that are still empty."""
    for place in reversed((folder, *folder.parents)):
        if not place.is_dir():
            place.mkdir(exist_ok=True)
            undo.callback(_remove_if_empty, place)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
