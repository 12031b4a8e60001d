"""`unmask synth`: writes a Masked-Faces set from a folder of faces."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.align import CROP_SIZE
from unmask_sdk.errors import DataError, ImageWriteError, InvalidInputError

from . import shipped_weights
from .data import Face, cut, read_landmarks, read_picture, seed_of
from .locator_evaluate import load_locator
from .mesh import Array, eye_centres
from .mesher import HOW_TO_GET, Mesher
from .sheet import grid, write_picture
from .synthesis import MASK_TYPES, Image

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
SHEET_FACES = 8
# Largest disagreement of locator and mesh about an eye, in eye distances.
MAX_EYE_SHIFT = 0.3


def mesh_folder(folder: Path, model: Path) -> list[Face]:
    """Finds the clearest face of each picture under a folder and meshes it.

    Pictures without a face are left out, with a line that says so.
    """
    mesher = Mesher(model)
    locate = load_locator(shipped_weights("detector").parent)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
    faces = []
    for file in track(files, "finding faces"):
        picture = read_picture(file)
        name = file.relative_to(folder).as_posix()
        found = max(locate(picture), key=lambda face: face.score, default=None)
        mesh = None if found is None else mesher(picture, found.eyes)
        if found is None or mesh is None or not _agree(eye_centres(mesh), found.eyes):
            print(f"{name}: no clear face found, left out")
            continue
        faces.append(Face(name, "train", mesh, name))
    return faces


def _agree(one: Array, other: Array) -> bool:
    """Whether two models put the eyes at the same place, which they do on real faces alone."""
    apart = np.linalg.norm(one - other, axis=1).max()
    return bool(apart < MAX_EYE_SHIFT * np.linalg.norm(other[1] - other[0]))


def write_landmarks(path: Path, faces: list[Face]) -> None:
    """Writes a landmark file that every command here reads."""
    np.savez_compressed(
        path,
        name=np.array([face.name for face in faces]),
        split=np.array([face.split for face in faces]),
        landmarks=np.stack([face.landmarks for face in faces]).astype(np.float32),
    )


def find_faces(folder: Path, landmarks: Path | None, model: Path | None) -> list[Face]:
    """Faces of a folder: from a landmark file, else meshed with the given model.

    Raises:
        DataError: If there is no folder, no landmark file and no model, or no face.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of face pictures")
    if landmarks is None and (folder / "landmarks.npz").is_file():
        landmarks = folder / "landmarks.npz"
    if landmarks is not None:
        faces = read_landmarks(landmarks)
    elif model is not None:
        faces = mesh_folder(folder, model)
    else:
        raise DataError(
            f"no landmarks.npz in {folder}; pass --landmarks FILE, or --mesh face_landmark.tflite "
            f"to make them. Get that model with: {HOW_TO_GET}"
        )
    if not faces:
        raise DataError(f"no face in {folder}")
    return faces


def _save(path: Path, picture: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = picture[..., ::-1] if picture.ndim == 3 else picture
    temporary = path.with_name(f".{path.name}.tmp.png")
    if not cv2.imwrite(str(temporary), bgr):
        raise ImageWriteError(f"cannot write {path}; is the disk full or the folder read-only?")
    os.replace(temporary, path)


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
        size: Side of the crops in pixels.

    Returns:
        How many pairs were written.
    """
    unknown = sorted(set(kinds) - set(MASK_TYPES))
    if unknown or not kinds:
        raise InvalidInputError(f"mask types are {', '.join(MASK_TYPES)}; got {', '.join(kinds)}")
    if variants < 1 or size < 32:
        raise InvalidInputError(f"variants must be at least 1 and size 32; got {variants}, {size}")
    out.mkdir(parents=True, exist_ok=True)
    write_landmarks(out / "landmarks.npz", faces)
    shown: dict[str, list[Image]] = {kind: [] for kind in kinds}

    def pairs() -> Iterator[dict[str, object]]:
        for index, face in enumerate(faces):
            crop = cut(read_picture(folder / face.name), face.landmarks, size)
            stem = face.name.replace("/", "__").rsplit(".", 1)[0]
            truth = f"truth/{stem}.png"
            _save(out / truth, crop.truth)
            for variant in range(variants):
                kind = kinds[(index + variant) % len(kinds)]
                pair_seed = seed_of(face.name, 1 + variant + 1000 * seed)
                image, mask, _ = crop.masked(kind=kind, seed=pair_seed)
                files = {
                    "image": f"image/{stem}-{variant}.png",
                    "mask": f"mask/{stem}-{variant}.png",
                }
                _save(out / files["image"], image)
                _save(out / files["mask"], mask)
                if len(shown[kind]) < SHEET_FACES:
                    shown[kind].append(image)
                yield {
                    **files,
                    "truth": truth,
                    "type": kind,
                    "source": face.name,
                    "seed": pair_seed,
                    "coverage": round(float(mask.mean()) / 255, 4),
                }

    count = 0
    temporary = out / "pairs.jsonl.tmp"
    with temporary.open("w") as lines:
        for record in track(pairs(), "drawing masks", total=len(faces) * variants):
            lines.write(json.dumps(record) + "\n")
            count += 1
    os.replace(temporary, out / "pairs.jsonl")
    blank = np.full((size, size, 3), 255, np.uint8)
    widest = max(map(len, shown.values()))
    write_picture(
        out / "sheet.jpg",
        grid([row + [blank] * (widest - len(row)) for row in shown.values()]),
    )
    return count
