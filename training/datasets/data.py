"""Faces and their landmarks: read them, choose among them, cut canonical crops, put masks on."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import DataError, ImageReadError
from unmask_sdk.faces.align import CROP_SIZE, crop_matrix, transform_points, warp_crop
from unmask_sdk.imaging.decode import read
from unmask_sdk.training.synthesis.mesh import check_landmarks, eye_centres, turned
from unmask_sdk.training.synthesis.synthesis import synthesise

from .people import people_of, splits_of

# Alignment error of the locator, in pixels at 256: the networks must not depend on better.
EYE_JITTER = 1.2


@dataclass(frozen=True, eq=False)
class Face:
    """One picture with one face.

    Attributes:
        name: Its path under the faces folder, with `/`.
        split: `train`, `val`, or another name.
        landmarks: `[468, 2]` mesh points in pixels.
        person: Who it is: pictures of one person share it.
    """

    name: str
    split: str
    landmarks: Float64Array
    person: str


def read_landmarks(path: Path) -> list[Face]:
    """Reads `landmarks.npz`: `name` `[N]`, `landmarks` `[N, 468, 2]`; `split`, `person` `[N]`.

    The last two may be missing. The person is then told from where the picture lies, see
    `people.people_of`, and about a tenth of the people are held out as `val`.

    Raises:
        DataError: If the file is missing, damaged, or does not hold those arrays.
    """
    arrays = _read_arrays(path)
    names = [str(name) for name in arrays["name"].ravel()]
    people = [str(x) for x in arrays["person"].ravel()] if "person" in arrays else people_of(names)
    splits = [str(x) for x in arrays["split"].ravel()] if "split" in arrays else splits_of(people)
    points = arrays["landmarks"]
    lengths = {"name": len(names), "person": len(people), "split": len(splits)}
    lengths["landmarks"] = len(points) if points.ndim else 0
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: the arrays differ in length: {lengths}")
    try:
        return [
            Face(name, split, check_landmarks(mesh), person)
            for name, split, mesh, person in zip(names, splits, points, people, strict=True)
        ]
    except (DataError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
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


def check_splits(faces: list[Face], landmarks: Path) -> None:
    """Raises `DataError` unless there are faces to train on and others to validate with."""
    counts = Counter(face.split for face in faces)
    for split in ("train", "val"):
        if not counts[split]:
            raise DataError(
                f"{landmarks}: no faces in split {split!r}, only {dict(counts)}; training takes "
                "train and val, of two people at least: set the file's array split, or leave it "
                "out to hold out a tenth of the people"
            )


def select(
    faces: list[Face], *, split: str, per_person: int | None = None, limit: int | None = None
) -> list[Face]:
    """Faces of a split, at most `per_person` of each person, thinned evenly to `limit`."""
    counts: dict[str, int] = {}
    chosen = []
    for face in faces:
        if face.split != split:
            continue
        counts[face.person] = counts.get(face.person, 0) + 1
        if per_person is None or counts[face.person] <= per_person:
            chosen.append(face)
    return chosen if limit is None else thin(chosen, limit)


def thin(faces: list[Face], limit: int) -> list[Face]:
    """At most `limit` of the faces, from all parts of the list."""
    if len(faces) <= limit:
        return faces
    return [faces[i] for i in np.linspace(0, len(faces) - 1, limit).round().astype(int)]


def most_turned(faces: list[Face], share: float = 0.1) -> np.ndarray:
    """Indices of the faces whose heads are turned most, to either side; one face at least."""
    turns = [abs(turned(face.landmarks)) for face in faces]
    return np.sort(np.argsort(turns, kind="stable")[-max(1, round(share * len(faces))) :])


def read_picture(path: Path) -> UInt8Array:
    """Reads a picture as uint8 `[H, W, 3]` RGB, upright and whole, or raises `DataError`."""
    try:
        return read(path).pixels
    except ImageReadError as error:
        raise DataError(
            f"cannot read a picture: {error}; mend it, or take it out of the landmark file"
        ) from None


def seed_of(name: str, salt: int) -> int:
    """A seed that depends on the picture's name alone, so that packs are reproducible."""
    return zlib.crc32(f"{salt}:{name}".encode())


@dataclass(frozen=True, eq=False)
class Crop:
    """A canonical crop of one face, and what it takes to put masks on it.

    The source is padded so that the crop lies inside it, and masks are drawn on the source, not
    on the crop: cloth then has the picture's own sharpness, and reaches beyond the data.
    """

    source: UInt8Array
    landmarks: Float64Array
    matrix: Float64Array
    size: int
    valid: UInt8Array

    @property
    def truth(self) -> UInt8Array:
        return warp_crop(self.source, self.matrix, self.size)

    def masked(
        self, *, kind: str | None, seed: int, hard: bool = False
    ) -> tuple[UInt8Array, UInt8Array, str]:
        """A masked crop, its coverage (both uint8), and the kind of mask; as `synthesise`."""
        pair = synthesise(self.source, self.landmarks, kind=kind, seed=seed, hard=hard)
        image = warp_crop(pair.image, self.matrix, self.size)
        return image, warp_crop(pair.mask, self.matrix, self.size), pair.kind


def cut(
    picture: UInt8Array, landmarks: Float64Array, size: int, *, jitter: float = 0.0, seed: int = 0
) -> Crop:
    """Cuts the canonical crop of one face.

    Args:
        picture: uint8 `[H, W, 3]` RGB.
        landmarks: `[468, 2]` mesh points in pixels.
        size: Side of the crop in pixels.
        jitter: Standard deviation of the eyes' displacement, in pixels of a 256 crop.
        seed: For the jitter.
    """
    eyes = eye_centres(landmarks)
    if jitter:
        unit = float(np.linalg.norm(eyes[1] - eyes[0])) / 60
        eyes = eyes + np.random.default_rng(seed).normal(0, jitter * unit, (2, 2))
    matrix = crop_matrix(eyes, size)
    corners = np.array(
        [[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]]
    )
    back = cv2.invertAffineTransform(matrix)
    reach = transform_points(back, corners)
    height, width = picture.shape[:2]
    low = np.maximum(0, np.ceil(-reach.min(0))).astype(int) + 1
    high = np.maximum(0, np.ceil(reach.max(0) - [width, height])).astype(int) + 1
    border = (low[1], high[1], low[0], high[0])
    source = cv2.copyMakeBorder(picture, *map(int, border), cv2.BORDER_REPLICATE)
    has_data = cv2.copyMakeBorder(
        np.full((height, width), 255, np.uint8), *map(int, border), cv2.BORDER_CONSTANT, value=0
    )
    matrix = matrix.copy()
    matrix[:, 2] -= matrix[:, :2] @ low
    valid = (warp_crop(has_data, matrix, size) > 250).astype(np.uint8) * 255
    return Crop(np.asarray(source, np.uint8), landmarks + low, matrix, size, valid)


def open_crop(folder: Path, face: Face, size: int = CROP_SIZE, *, jitter: float = 0.0) -> Crop:
    """Reads a face's picture and cuts its crop."""
    picture = read_picture(folder / face.name)
    return cut(picture, face.landmarks, size, jitter=jitter, seed=seed_of(face.name, 0))
