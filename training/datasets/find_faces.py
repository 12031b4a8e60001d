"""Finds the faces of a folder of images: from its landmark file, or by locator and mesh model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import Float64Array
from unmask_sdk.errors import DataError
from unmask_sdk.training import shipped_weights
from unmask_sdk.training.nets.torch_locator import load_locator
from unmask_sdk.training.synthesis.find_mesh import HOW_TO_GET, FaceMesher
from unmask_sdk.training.synthesis.mesh import eye_centers

from .image_files import read_image
from .landmark_file import FaceRecord, read_landmarks
from .people import assign_splits, infer_people

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# Largest disagreement of locator and mesh about an eye, in eye distances.
MAX_EYE_SHIFT = 0.3


def find_faces(
    folder: Path,
    landmarks: Path | None,
    model: Path | None,
    *,
    skip: Path | None = None,
    limit: int | None = None,
) -> list[FaceRecord]:
    """Returns the faces of a folder, from a landmark file or meshed with the given model.

    Args:
        folder: Folder of images.
        landmarks: Landmark file; if `None`, `landmarks.npz` in the folder is used if it exists.
        model: MediaPipe's model (see `synthesis.find_mesh`).
        skip: A folder inside `folder` that is not searched.
        limit: Use only the first faces of the landmark file, or mesh only the first images.

    Raises:
        DataError: If the folder does not exist, if there is neither a landmark file nor a model,
            or if no face was found.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of face images")
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


def mesh_folder(
    folder: Path, model: Path, skip: Path | None = None, limit: int | None = None
) -> list[FaceRecord]:
    """Finds the most confident face of each image under a folder and meshes it.

    Images that cannot be read and images without a face are left out, and a line about each is
    printed. About a tenth of the people are held out as `val`.

    Args:
        folder: Folder of images; hidden files are ignored.
        model: MediaPipe's model (see `synthesis.find_mesh`).
        skip: A folder inside `folder` to ignore, such as the one that crops are written to.
        limit: Use only the first images.
    """
    mesher = FaceMesher(model)
    locate = load_locator(shipped_weights("detector").parent)
    meshes: dict[str, Float64Array] = {}
    for file in track(_image_files(folder, skip)[:limit], "finding faces"):
        name = file.relative_to(folder).as_posix()
        try:
            image = read_image(file)
        except DataError as error:
            print(f"{name}: left out: {error}")
            continue
        located = max(locate(image), key=lambda face: face.score, default=None)
        mesh = None if located is None else mesher(image, located.eyes)
        if located is None or mesh is None or not _agree(eye_centers(mesh), located.eyes):
            print(f"{name}: no clear face found, left out")
            continue
        meshes[name] = mesh
    people = infer_people(list(meshes))
    return [
        FaceRecord(name, split, mesh, person)
        for (name, mesh), split, person in zip(
            meshes.items(), assign_splits(people), people, strict=True
        )
    ]


def _image_files(folder: Path, skip: Path | None) -> list[Path]:
    found = []
    for root, subfolders, files in os.walk(folder):
        here = Path(root)
        if skip is not None and here != folder and here.resolve() == skip.resolve():
            subfolders.clear()
            continue
        found += [here / name for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def _agree(one: Float64Array, other: Float64Array) -> bool:
    """Returns whether two models put the eyes at the same place; they do only on real faces."""
    distance = np.linalg.norm(one - other, axis=1).max()
    return bool(distance < MAX_EYE_SHIFT * np.linalg.norm(other[1] - other[0]))
