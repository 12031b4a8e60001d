"""`unmask synth`: writes a Masked-Faces set from a folder of faces."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.errors import DataError, InvalidInputError
from unmask_sdk.faces.align import CROP_SIZE
from unmask_sdk.training import shipped_weights
from unmask_sdk.training.datasets.data import Face, cut, read_landmarks, read_picture, seed_of
from unmask_sdk.training.datasets.people import people_of, splits_of
from unmask_sdk.training.locator.evaluate import load_locator
from unmask_sdk.training.unmasker.sheet import grid, write_picture

from .mesh import eye_centres
from .mesher import HOW_TO_GET, Mesher
from .synthesis import MASK_TYPES

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# Crops show a face of 60 px between the eyes at 256; more than this enlarges any photo in vain.
SIZES = (32, 2048)
SHEET_FACES = 8
SHEET_TILE = 256
# Largest disagreement of locator and mesh about an eye, in eye distances.
MAX_EYE_SHIFT = 0.3


def check_options(
    folder: Path, out: Path, kinds: tuple[str, ...], variants: int, size: int
) -> None:
    """Raises `InvalidInputError` unless `synth` takes these."""
    if out.resolve() == folder.resolve():
        raise InvalidInputError(f"OUT must be another folder than that of the faces; got {out}")
    unknown = sorted(set(kinds) - set(MASK_TYPES))
    if unknown or not kinds:
        raise InvalidInputError(f"mask types are {', '.join(MASK_TYPES)}; got {', '.join(kinds)}")
    if variants < 1:
        raise InvalidInputError(f"variants must be at least 1; got {variants}")
    if not SIZES[0] <= size <= SIZES[1]:
        raise InvalidInputError(f"size must be from {SIZES[0]} to {SIZES[1]}; got {size}")


def mesh_folder(
    folder: Path, model: Path, skip: Path | None = None, limit: int | None = None
) -> list[Face]:
    """Finds the clearest face of each picture under a folder and meshes it.

    Pictures that cannot be read and pictures without a face are left out, with a line that says
    so. About a tenth of the people are held out as `val`.

    Args:
        folder: Folder of pictures; hidden files are passed over.
        model: MediaPipe's model, see `mesher`.
        skip: A folder in it to pass over, such as the one that crops are written to.
        limit: Looks at the first so many pictures only.
    """
    mesher = Mesher(model)
    locate = load_locator(shipped_weights("detector").parent)
    found: dict[str, Float64Array] = {}
    for file in track(_pictures(folder, skip)[:limit], "finding faces"):
        name = file.relative_to(folder).as_posix()
        try:
            picture = read_picture(file)
        except DataError as error:
            print(f"{name}: left out: {error}")
            continue
        place = max(locate(picture), key=lambda face: face.score, default=None)
        mesh = None if place is None else mesher(picture, place.eyes)
        if place is None or mesh is None or not _agree(eye_centres(mesh), place.eyes):
            print(f"{name}: no clear face found, left out")
            continue
        found[name] = mesh
    people = people_of(list(found))
    return [
        Face(name, split, mesh, person)
        for (name, mesh), split, person in zip(
            found.items(), splits_of(people), people, strict=True
        )
    ]


def _pictures(folder: Path, skip: Path | None) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if skip is not None and here != folder and here.resolve() == skip.resolve():
            folders.clear()
            continue
        found += [here / name for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in PICTURES)


def _agree(one: Float64Array, other: Float64Array) -> bool:
    """Whether two models put the eyes at the same place, which they do on real faces alone."""
    apart = np.linalg.norm(one - other, axis=1).max()
    return bool(apart < MAX_EYE_SHIFT * np.linalg.norm(other[1] - other[0]))


def write_landmarks(path: Path, faces: list[Face]) -> None:
    """Writes a landmark file that every command here reads."""
    arrays = {
        "name": np.array([face.name for face in faces]),
        "split": np.array([face.split for face in faces]),
        "person": np.array([face.person for face in faces]),
        "landmarks": np.stack([face.landmarks for face in faces]).astype(np.float32),
    }
    try:
        atomic_write(path, lambda file: np.savez_compressed(file, **arrays))
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def find_faces(
    folder: Path,
    landmarks: Path | None,
    model: Path | None,
    *,
    skip: Path | None = None,
    limit: int | None = None,
) -> list[Face]:
    """Faces of a folder: from a landmark file, else meshed with the given model.

    Args:
        folder: Folder of pictures.
        landmarks: Landmark file; `landmarks.npz` in the folder if None and there is one.
        model: MediaPipe's model, see `mesher`.
        skip: A folder in it that is not searched for pictures.
        limit: Takes the first so many faces of the landmark file, or meshes so many pictures.

    Raises:
        DataError: If there is no folder, no landmark file and no model, or no face.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of face pictures")
    if landmarks is None and (folder / "landmarks.npz").is_file():
        landmarks = folder / "landmarks.npz"
    if landmarks is not None:
        faces = read_landmarks(landmarks)[:limit]
    elif model is not None:
        faces = mesh_folder(folder, model, skip, limit)
    else:
        raise DataError(
            f"no landmarks.npz in {folder}; pass --landmarks FILE, or --mesh face_landmark.tflite "
            f"to make them. Get that model with: {HOW_TO_GET}"
        )
    if not faces:
        raise DataError(f"no face in {folder}")
    return faces


def stems(names: list[str]) -> list[str]:
    """A file name without suffix for each picture, flat, and no two alike on any file system."""
    taken: set[str] = set()
    found = []
    for name in names:
        base = name.replace("/", "__").rsplit(".", 1)[0]
        stem, number = base, 2
        while stem.casefold() in taken:
            stem, number = f"{base}_{number}", number + 1
        taken.add(stem.casefold())
        found.append(stem)
    return found


def synth(
    folder: Path,
    faces: list[Face],
    out: Path,
    *,
    kinds: tuple[str, ...] = MASK_TYPES,
    variants: int = 1,
    seed: int = 0,
    size: int = CROP_SIZE,
) -> int:
    """Writes masked, mask and truth crops, `pairs.jsonl`, `landmarks.npz` and `sheet.jpg`.

    Args:
        folder: Where the faces' names start.
        faces: From `find_faces`.
        out: Folder to write to.
        kinds: Mask types, taken in turn.
        variants: Masks for each face.
        seed: Same arguments and seed, same files.
        size: Side of the crops in pixels, within `SIZES`.

    Returns:
        How many pairs were written.

    Raises:
        InvalidInputError: If an option is out of range, or `out` is `folder` or cannot be made.
        DataError: If a picture cannot be read.
        ImageWriteError: If one cannot be written.
    """
    check_options(folder, out, kinds, variants, size)
    make_folder(out, "--out")
    write_landmarks(out / "landmarks.npz", faces)
    files_of = stems([face.name for face in faces])
    tile = min(size, SHEET_TILE)
    shown: dict[str, list[UInt8Array]] = {kind: [] for kind in kinds}

    def pairs() -> Iterator[dict[str, object]]:
        for index, face in enumerate(faces):
            crop = cut(read_picture(folder / face.name), face.landmarks, size)
            stem = files_of[index]
            truth = f"truth/{stem}.png"
            write_picture(out / truth, crop.truth)
            for variant in range(variants):
                kind = kinds[(index + variant) % len(kinds)]
                pair_seed = seed_of(face.name, 1 + variant + 1000 * seed)
                image, mask, _ = crop.masked(kind=kind, seed=pair_seed)
                files = {
                    "image": f"image/{stem}-{variant}.png",
                    "mask": f"mask/{stem}-{variant}.png",
                }
                write_picture(out / files["image"], image)
                write_picture(out / files["mask"], mask)
                if len(shown[kind]) < SHEET_FACES:
                    small = cv2.resize(image, (tile, tile), interpolation=cv2.INTER_AREA)
                    shown[kind].append(small)
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
    widest = max(map(len, shown.values()))
    write_picture(
        out / "sheet.jpg",
        grid([row + [blank] * (widest - len(row)) for row in shown.values()]),
    )
    return count
