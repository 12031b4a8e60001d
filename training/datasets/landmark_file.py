"""The landmark file of a face set: mesh, split and person of each image."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unmask_sdk.core.arrays import AnyArray, Float64Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError
from unmask_sdk.training.synthesis.mesh import check_landmarks

from .people import assign_splits, infer_people


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """One image with one face.

    Attributes:
        name: Path of the image under the faces folder, with `/`.
        split: `train`, `val`, or another name.
        landmarks: float64 `[468, 2]` mesh points (x, y) in pixels.
        person: Who it is; all images of one person share it.
    """

    name: str
    split: str
    landmarks: Float64Array
    person: str


def read_landmarks(path: Path) -> list[FaceRecord]:
    """Reads a landmark file.

    Args:
        path: An npz file with the arrays `name` `[N]` and `landmarks` `[N, 468, 2]`, and
            optionally `split` and `person`, both `[N]`. Without `person`, the person is inferred
            from the image's path (see `people.infer_people`). Without `split`, about a tenth of
            the people are held out as `val`.

    Raises:
        DataError: If the file is missing or damaged, or does not hold those arrays.
    """
    arrays = _read_arrays(path)
    names = [str(name) for name in arrays["name"].ravel()]
    people = (
        [str(x) for x in arrays["person"].ravel()] if "person" in arrays else infer_people(names)
    )
    splits = (
        [str(x) for x in arrays["split"].ravel()] if "split" in arrays else assign_splits(people)
    )
    points = arrays["landmarks"]
    lengths = {"name": len(names), "person": len(people), "split": len(splits)}
    lengths["landmarks"] = len(points) if points.ndim else 0
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: the arrays differ in length: {lengths}")
    try:
        return [
            FaceRecord(name, split, check_landmarks(mesh), person)
            for name, split, mesh, person in zip(names, splits, points, people, strict=True)
        ]
    except (DataError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def _read_arrays(path: Path) -> dict[str, AnyArray]:
    try:
        stored = np.load(path, allow_pickle=False)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with stored:
            wanted = ["name", "landmarks", *{"split", "person"}.intersection(stored)]
            return {name: stored[name] for name in wanted}
    except FileNotFoundError:
        raise DataError(
            f"no landmark file {path}; make one with: unmask synth FACES -o OUT --mesh MODEL.tflite"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is not a landmark file (an npz with arrays name, landmarks [N, 468, 2]), or "
            f"damaged: {error}; make one with: unmask synth FACES -o OUT --mesh MODEL.tflite"
        ) from None


def write_landmarks(path: Path, faces: list[FaceRecord]) -> None:
    """Writes a landmark file, atomically.

    Raises:
        DataError: If the file cannot be written.
    """

    def write(file: BinaryIO) -> None:
        np.savez_compressed(
            file,
            name=np.array([face.name for face in faces]),
            split=np.array([face.split for face in faces]),
            person=np.array([face.person for face in faces]),
            landmarks=np.stack([face.landmarks for face in faces]).astype(np.float32),
        )

    try:
        atomic_write(path, write)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
