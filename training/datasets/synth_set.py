"""Writes a Masked-Faces set from a folder of faces: `unmask synth`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.errors import InvalidInputError
from unmask_sdk.faces.align import CROP_SIZE
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .crops import cut_crop, seed_from_name
from .image_files import image_grid, read_image, write_image
from .landmark_file import FaceRecord, write_landmarks

# Eyes are 60 px apart in a 256 px crop; crops larger than this only enlarge any photo.
MIN_SIZE, MAX_SIZE = 32, 2048
SHEET_FACES = 8
SHEET_TILE = 256


def check_options(
    folder: Path, out: Path, kinds: tuple[str, ...], variants: int, size: int
) -> None:
    """Raises `InvalidInputError` unless `write_synth_set` accepts these."""
    if out.resolve() == folder.resolve():
        raise InvalidInputError(f"OUT must be another folder than that of the faces; got {out}")
    unknown = sorted(set(kinds) - set(MASK_TYPES))
    if unknown or not kinds:
        raise InvalidInputError(f"mask types are {', '.join(MASK_TYPES)}; got {', '.join(kinds)}")
    if variants < 1:
        raise InvalidInputError(f"variants must be at least 1; got {variants}")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InvalidInputError(f"size must be from {MIN_SIZE} to {MAX_SIZE}; got {size}")


def unique_stems(names: list[str]) -> list[str]:
    """Returns a flat file name without suffix for each image.

    No two are equal on any file system, also where case does not matter.
    """
    taken: set[str] = set()
    stems = []
    for name in names:
        base = name.replace("/", "__").rsplit(".", 1)[0]
        stem, number = base, 2
        while stem.casefold() in taken:
            stem, number = f"{base}_{number}", number + 1
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def write_synth_set(
    folder: Path,
    faces: list[FaceRecord],
    out: Path,
    *,
    kinds: tuple[str, ...] = MASK_TYPES,
    variants: int = 1,
    seed: int = 0,
    size: int = CROP_SIZE,
) -> int:
    """Writes masked, mask and truth crops, `pairs.jsonl`, `landmarks.npz` and `sheet.jpg`.

    Args:
        folder: The folder that the faces' names are relative to.
        faces: From `find_faces`.
        out: Folder to write to.
        kinds: Mask types, used in turn.
        variants: Masks for each face.
        seed: Same arguments and seed, same files.
        size: Side of the crops in pixels, from `MIN_SIZE` to `MAX_SIZE`.

    Returns:
        Number of pairs written.

    Raises:
        InvalidInputError: If an option is out of range, or `out` is `folder` or cannot be made.
        DataError: If an image cannot be read.
        ImageWriteError: If an image cannot be written.
    """
    check_options(folder, out, kinds, variants, size)
    make_folder(out, "--out")
    write_landmarks(out / "landmarks.npz", faces)
    stems = unique_stems([face.name for face in faces])
    tile = min(size, SHEET_TILE)
    shown: dict[str, list[UInt8Array]] = {kind: [] for kind in kinds}

    def pairs() -> Iterator[dict[str, object]]:
        for index, face in enumerate(faces):
            crop = cut_crop(read_image(folder / face.name), face.landmarks, size)
            stem = stems[index]
            truth = f"truth/{stem}.png"
            write_image(out / truth, crop.truth)
            for variant in range(variants):
                kind = kinds[(index + variant) % len(kinds)]
                pair_seed = seed_from_name(face.name, 1 + variant + 1000 * seed)
                image, mask, _ = crop.masked(kind=kind, seed=pair_seed)
                files = {
                    "image": f"image/{stem}-{variant}.png",
                    "mask": f"mask/{stem}-{variant}.png",
                }
                write_image(out / files["image"], image)
                write_image(out / files["mask"], mask)
                if len(shown[kind]) < SHEET_FACES:
                    small = cv2.resize(image, (tile, tile), interpolation=cv2.INTER_AREA)
                    shown[kind].append(np.asarray(small, np.uint8))
                yield {
                    **files,
                    "truth": truth,
                    "type": kind,
                    "source": face.name,
                    "seed": pair_seed,
                    "coverage": round(float(mask.mean()) / 255, 4),
                }

    count = 0

    def write_lines(file: BinaryIO) -> None:
        nonlocal count
        for record in track(pairs(), "drawing masks", total=len(faces) * variants):
            file.write(f"{json.dumps(record)}\n".encode())
            count += 1

    atomic_write(out / "pairs.jsonl", write_lines)
    blank = np.full((tile, tile, 3), 255, np.uint8)
    columns = max(map(len, shown.values()))
    write_image(
        out / "sheet.jpg",
        image_grid([row + [blank] * (columns - len(row)) for row in shown.values()]),
    )
    return count
