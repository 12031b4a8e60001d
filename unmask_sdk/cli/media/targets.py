"""Plans which image is written to which file, before any work is done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from unmask_sdk.core.output_paths import check_writable_file, check_writable_folder
from unmask_sdk.errors import InvalidInputError

Identity: TypeAlias = tuple[int, int]

# Stands for stdin as the image to read, and for stdout as the file to write.
PIPE = Path("-")

# Extensions of images in a folder; those that cannot be read are reported, not skipped. Listed here
# and not taken from the encoder, which imports OpenCV: `unmask doctor` must start without it.
PICTURES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)


class NoPicturesError(InvalidInputError):
    """A folder holds no images; with --watch, they may come later."""


def plan(inputs: Sequence[Path], out: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs every image with the file to write.

    A single image is written to `out` itself, unless that is a folder, or does not exist and has no
    extension. Otherwise `out` is a folder, and images keep their names and their paths relative to
    the input folders. If the format of a name cannot be written, its extension becomes `.png`; if
    another image has that name already, `.png` is appended to the full name.

    Args:
        inputs: Images, and folders that are searched for images recursively. Links are followed.
            Hidden files and the content of `out` are skipped.
        out: File or folder to write.

    Returns:
        The pairs, and a line for each folder that could not be searched.

    Raises:
        NoPicturesError: If a folder holds no image.
        InvalidInputError: If no folder can be read, `out` is a file where a folder is needed, two
            images would be written to one file, or an input would be overwritten.
        ImageWriteError: If `out` is a file name whose format cannot be written.
    """
    # `os.path` returns False where `Path` raises, such as for a name that is too long: reading or
    # writing then reports what is wrong.
    one = len(inputs) == 1 and not os.path.isdir(inputs[0])
    folder = os.path.isdir(out)
    unread: list[str] = []
    if one and not folder and (out.suffix or os.path.lexists(out)):
        _check_format(out)
        jobs = [(inputs[0], out)]
    else:
        if os.path.lexists(out) and not folder:
            raise InvalidInputError(f"{out} is a file; for several images OUT must be a folder")
        if out.suffix.lower() in _output_formats() and not folder:
            raise InvalidInputError(
                f"{out} is the name of an image; for several images OUT must be a folder"
            )
        found = list(_collect(inputs, out, unread))
        taken = Counter(_writable(name) for _, name in found)
        jobs = [
            (file, out / (_writable(name) if taken[_writable(name)] == 1 else _whole(name)))
            for file, name in found
        ]
        for _, target in jobs:
            check_inside(out, target)
    if not jobs:
        raise InvalidInputError("; ".join(unread))
    _check(jobs)
    return jobs, unread


def plan_piped(inputs: Sequence[Path], out: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Does what `plan` does, where the image to read or the file to write is `PIPE`.

    Raises:
        InvalidInputError: If there are several images, or `out` cannot be written.
        ImageWriteError: If `out` is a file name whose format cannot be written.
    """
    if len(inputs) > 1 or os.path.isdir(inputs[0]):
        raise InvalidInputError("- is for a single image; give one IN, and one image file as OUT")
    if out != PIPE:
        check_writable_file(out, "--out")
        _check_format(out)
    return [(inputs[0], out)], []


def plan_in_place(
    inputs: Sequence[Path], label: str, suffix: str | None = None, *, overwrite: bool
) -> list[tuple[Path, Path]]:
    """Pairs every image with a file in the same folder: `photo.jpg`, `photo.LABEL.jpg`.

    Args:
        inputs: Images; no folders.
        label: What the name says of the result.
        suffix: Extension of the results; by default that of each image, or `.png` where its format
            cannot be written.
        overwrite: Whether an existing file may be replaced.

    Raises:
        InvalidInputError: If an input is a folder, a result exists, its folder cannot be written
            to, two images would be written to one file, or an input would be overwritten.
    """
    jobs = []
    for given in inputs:
        if os.path.isdir(given):
            raise InvalidInputError(
                f"{given} is a folder; name one for its results, such as --out unmasked"
            )
        name = _writable(Path(given.name))
        target = given.with_name(f"{name.stem}.{label}{suffix or name.suffix}")
        if os.path.lexists(target) and not overwrite:
            raise InvalidInputError(
                f"{target} exists; replace it with --overwrite, or name another file with --out"
            )
        check_writable_folder(target.parent, "without --out,")
        jobs.append((given, target))
    _check(jobs)
    return jobs


def check_inside(out: Path, target: Path) -> None:
    """Raises if a link leads a result out of the output folder.

    Raises:
        InvalidInputError: With the folder that it would be written to.
    """
    root, place = os.path.realpath(out), os.path.realpath(target.parent)
    if os.path.commonpath([root, place]) != root:
        raise InvalidInputError(
            f"{target} would be written to {place}, which a link in {out} leads to; remove the "
            "link, or choose another OUT"
        )


def _output_formats() -> Mapping[str, object]:
    from unmask_sdk.imaging.encode import OUTPUT_FORMATS

    return OUTPUT_FORMATS


def _check_format(path: Path) -> None:
    from unmask_sdk.imaging.encode import output_format

    output_format(path)


def _collect(inputs: Sequence[Path], out: Path, unread: list[str]) -> Iterator[tuple[Path, Path]]:
    for given in inputs:
        if not os.path.isdir(given):
            yield given, Path(given.name)
            continue
        before = len(unread)
        found = sorted(_search(given, out, unread))
        if not found and len(unread) == before:
            raise NoPicturesError(f"the folder {given} holds no images")
        yield from ((file, file.relative_to(given)) for file in found)


def _search(folder: Path, out: Path, unread: list[str]) -> Iterator[Path]:
    target = _identity(out)
    # Each with its parent folders: following a link to one of them would never end.
    waiting: list[tuple[Path, frozenset[Identity | None]]] = [(folder, frozenset())]
    while waiting:
        here, above = waiting.pop()
        itself = _identity(here)
        if itself is not None and (itself in above or (above and itself == target)):
            continue
        try:
            with os.scandir(here) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            unread.append(f"the folder {here} cannot be read: {error.strerror}")
            continue
        for entry in found:
            path = here / entry.name
            if _is_folder(entry):
                waiting.append((path, above | {itself}))
            elif path.suffix.lower() in PICTURES:
                yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link without permission: searched as a folder, it is reported.
        return True


def _writable(name: Path) -> Path:
    return name if name.suffix.lower() in _output_formats() else name.with_suffix(".png")


def _whole(name: Path) -> Path:
    return name if name.suffix.lower() in _output_formats() else name.with_name(f"{name.name}.png")


def _check(jobs: Sequence[tuple[Path, Path]]) -> None:
    originals = {_identity(file) for file, _ in jobs} - {None}
    taken: dict[str, Path] = {}
    for source, target in jobs:
        if _identity(target) in originals:
            raise InvalidInputError(
                f"{target} is one of the images to read and would be overwritten; "
                "choose another OUT"
            )
        place = os.path.normcase(os.path.realpath(target))
        if place in taken:
            raise InvalidInputError(
                f"{taken[place]} and {source} would both be written to {target}; "
                "give them in separate runs"
            )
        taken[place] = source


def _identity(path: Path) -> Identity | None:
    """Returns device and inode, as one file may have several names; None if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: not a path; reading it then reports that.
        return None
    return status.st_dev, status.st_ino
