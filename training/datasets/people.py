"""Which person each image of a set shows, and who is held out from training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

# A folder with more images than this directly in it is a data set and not one person.
MAX_IMAGES_OF_A_PERSON = 1000
HELD_OUT_FRACTION = 0.1


def infer_people(names: list[str]) -> list[str]:
    """Returns the person in each image of a set, inferred from the image's path.

    The person is the image's folder: `bob` for `bob/1.jpg`, `lfw/Bob` for `lfw/Bob/1.jpg`. An
    image counts as a person of its own if it lies in no folder, or directly in a top-level folder
    that is a data set: one with images in subfolders, or with more than `MAX_IMAGES_OF_A_PERSON`
    images directly in it, such as `utkface/1.jpg`. Where this is wrong for a set, the array
    `person` of its landmark file overrides it.

    Args:
        names: Paths under the faces folder, with `/`.
    """
    folders = [PurePosixPath(name).parent for name in names]
    counts = Counter(folders)
    data_sets = {folder.parts[0] for folder in folders if len(folder.parts) > 1}
    data_sets |= {
        str(folder)
        for folder, count in counts.items()
        if len(folder.parts) == 1 and count > MAX_IMAGES_OF_A_PERSON
    }
    return [
        name if not folder.parts or str(folder) in data_sets else str(folder)
        for name, folder in zip(names, folders, strict=True)
    ]


def source_dataset(name: str, person: str) -> str:
    """Returns the data set that an image is from, where a faces folder holds several.

    That is its top-level folder; "" for images in no folder, or in folders that are people.
    """
    top = name.split("/")[0]
    return "" if top in (name, person) else top


def hold_out(people: Iterable[str]) -> set[str]:
    """Chooses about a tenth of the people for validation.

    The choice depends on the hash of each name, so a person stays on one side as a set grows. Of
    two people or more, at least one is held out and at least one is not.
    """
    order = {p: int.from_bytes(hashlib.sha256(p.encode()).digest()[:8], "big") for p in people}
    ordered = sorted(order, key=order.__getitem__)
    count = sum(number < HELD_OUT_FRACTION * 2**64 for number in order.values())
    return set(ordered[: max(0, min(max(count, 1), len(ordered) - 1))])


def assign_splits(people: list[str]) -> list[str]:
    """Returns `val` for the people held out, and `train` for the others."""
    held_out = hold_out(people)
    return ["val" if person in held_out else "train" for person in people]
