"""Who is in which picture of a set, and who is held out from training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

# A folder with more pictures than this, directly in it, is a data set and not one person.
CROWD = 1000
HELD_OUT_SHARE = 0.1


def infer_people(names: list[str]) -> list[str]:
    """The person in each picture of a set, told from where the pictures lie.

    A picture belongs to the person of its folder: `bob/1.jpg` to `bob`, `lfw/Bob/1.jpg` to
    `lfw/Bob`. A picture is a person of its own if it lies in no folder, or directly in a top-level
    folder that is a data set: one that has pictures in folders below it, or more than `CROWD`
    directly in it, as `utkface/1.jpg` does. Where that is not what a set means, the array `person`
    of its landmark file says what is.

    Args:
        names: Paths under the faces folder, with `/`.
    """
    folders = [PurePosixPath(name).parent for name in names]
    pictures = Counter(folders)
    data_sets = {folder.parts[0] for folder in folders if len(folder.parts) > 1}
    data_sets |= {str(f) for f, count in pictures.items() if len(f.parts) == 1 and count > CROWD}
    return [
        name if not folder.parts or str(folder) in data_sets else str(folder)
        for name, folder in zip(names, folders, strict=True)
    ]


def source_dataset(name: str, person: str) -> str:
    """The data set that a picture is from, where a folder of pictures holds several.

    That is its top-level folder; "" for pictures in no folder, or in folders that are people.
    """
    top = name.split("/")[0]
    return "" if top in (name, person) else top


def hold_out(people: Iterable[str]) -> set[str]:
    """Chooses about a tenth of the people for validation.

    The choice hangs on each name's hash, so a person stays on one side as a set grows. Of two
    people or more, at least one is held out and at least one is not.
    """
    place = {p: int.from_bytes(hashlib.sha256(p.encode()).digest()[:8], "big") for p in people}
    ordered = sorted(place, key=place.__getitem__)
    count = sum(number < HELD_OUT_SHARE * 2**64 for number in place.values())
    return set(ordered[: max(0, min(max(count, 1), len(ordered) - 1))])


def assign_splits(people: list[str]) -> list[str]:
    """`val` for the people held out, `train` for the others."""
    held_out = hold_out(people)
    return ["val" if person in held_out else "train" for person in people]
