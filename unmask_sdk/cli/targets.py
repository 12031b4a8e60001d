"""Which picture is written where, settled before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..encode import OUTPUTS, output_format
from ..errors import InvalidInputError

# Taken for pictures in a folder; those that cannot be read are reported, not passed over.
PICTURES = frozenset(OUTPUTS) | {
    ".avif",
    ".gif",
    ".heic",
    ".heif",
    ".jfif",
    ".jpe",
    ".pgm",
    ".ppm",
}


def plan(inputs: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Pairs every picture with the file to write.

    One picture goes to `out` itself, unless that is a folder or has no extension. Otherwise `out`
    is a folder, and pictures keep their names and their places in the folders given; a name whose
    format cannot be written gets the extension `.png`.

    Args:
        inputs: Pictures, and folders that are searched for pictures with all folders in them.
            Hidden files, and what lies in `out`, are passed over.
        out: File or folder to write.

    Raises:
        InvalidInputError: If a folder holds no picture, `out` is a file where a folder is needed,
            two pictures would be written to one file, or a picture would be written over.
        ImageWriteError: If `out` is a file name that says no format that can be written.
    """
    if len(inputs) == 1 and not inputs[0].is_dir() and not out.is_dir() and out.suffix:
        output_format(out)
        jobs = [(inputs[0], out)]
    else:
        if out.exists() and not out.is_dir():
            raise InvalidInputError(f"{out} is a file; several pictures need a folder as OUT")
        if out.suffix.lower() in OUTPUTS and not out.is_dir():
            raise InvalidInputError(
                f"{out} is the name of one picture; several pictures need a folder as OUT"
            )
        jobs = [(file, out / _writable(name)) for file, name in _collect(inputs, out)]
    _check(jobs)
    return jobs


def _collect(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    for given in inputs:
        if not given.is_dir():
            yield given, Path(given.name)
            continue
        found = sorted(_search(given, out.resolve()))
        if not found:
            raise InvalidInputError(f"the folder {given} holds no pictures")
        yield from ((file, file.relative_to(given)) for file in found)


def _search(folder: Path, out: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if here.resolve() == out and here != folder:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURES:
                yield here / name


def _writable(name: Path) -> Path:
    return name if name.suffix.lower() in OUTPUTS else name.with_suffix(".png")


def _check(jobs: Sequence[tuple[Path, Path]]) -> None:
    # By device and inode: the same file may have several names.
    originals = {(s.st_dev, s.st_ino) for s in (_stat(file) for file, _ in jobs) if s is not None}
    taken: dict[str, Path] = {}
    for source, target in jobs:
        status = _stat(target)
        if status is not None and (status.st_dev, status.st_ino) in originals:
            raise InvalidInputError(
                f"{target} is one of the pictures to read and would be written over; "
                "choose another OUT"
            )
        place = os.path.normcase(os.path.realpath(target))
        if place in taken:
            raise InvalidInputError(
                f"{taken[place]} and {source} would both be written to {target}; "
                "give them in separate runs"
            )
        taken[place] = source


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # Not there, or not a path: reading it will say so.
        return None
