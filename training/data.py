"""Training pairs: read faces and landmarks, cut canonical crops, put masks on, pack them once.

A pack is a folder of plain arrays that are memory-mapped, so it can be larger than memory:
`truth.npy` uint8 `[N, S, S, 3]`, `valid.npy` uint8 `[N, S, S]` (255 where the source picture has
data), and for each variant V `masked_V.npy` and `mask_V.npy`, beside `pack.json`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.align import CROP_SIZE, crop_matrix, transform_points, warp_crop
from unmask_sdk.errors import DataError

from .mesh import Array, check_landmarks, eye_centres
from .synthesis import MASK_TYPES, Image, synthesise

# Alignment error of the locator, in pixels at 256: the networks must not depend on better.
EYE_JITTER = 1.2


@dataclass(frozen=True, eq=False)
class Face:
    """One picture with one face: `name` is its path under the faces folder."""

    name: str
    split: str
    landmarks: Array

    @property
    def person(self) -> str:
        """The folder that holds the picture, or the picture's own name when it lies flat."""
        parent = Path(self.name).parent
        return str(parent) if len(parent.parts) > 1 else self.name


def read_landmarks(path: Path) -> list[Face]:
    """Reads `landmarks.npz`: arrays `name` `[N]`, `landmarks` `[N, 468, 2]`, optionally `split`.

    Raises:
        DataError: If the file is missing or does not hold those arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["name"]]
            points = stored["landmarks"].astype(np.float64)
            splits = stored["split"] if "split" in stored else np.full(len(names), "train")
    except FileNotFoundError:
        raise DataError(
            f"no landmark file {path}; make one with: unmask synth FACES -o OUT --mesh MODEL.tflite"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} is not a landmark file (arrays name, landmarks [N, 468, 2]): {error}"
        ) from None
    if not len(names) == len(points) == len(splits):
        raise DataError(f"{path}: name, landmarks and split differ in length")
    return [
        Face(name, str(split), check_landmarks(mesh))
        for name, split, mesh in zip(names, splits, points, strict=True)
    ]


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
    if limit is not None and len(chosen) > limit:
        keep = np.linspace(0, len(chosen) - 1, limit).round().astype(int)
        chosen = [chosen[i] for i in keep]
    return chosen


def read_picture(path: Path) -> Image:
    """Reads a picture as uint8 `[H, W, 3]` RGB, or raises `DataError`."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"cannot read {path} as a picture; remove it or its landmarks")
    return np.ascontiguousarray(picture[..., ::-1])


def seed_of(name: str, salt: int) -> int:
    """A seed that depends on the picture's name alone, so that packs are reproducible."""
    return zlib.crc32(f"{salt}:{name}".encode())


@dataclass(frozen=True, eq=False)
class Crop:
    """A canonical crop of one face, and what it takes to put masks on it.

    The source is padded so that the crop lies inside it, and masks are drawn on the source, not
    on the crop: cloth then has the picture's own sharpness, and reaches beyond the data.
    """

    source: Image
    landmarks: Array
    matrix: Array
    size: int
    valid: Image

    @property
    def truth(self) -> Image:
        return warp_crop(self.source, self.matrix, self.size)

    def masked(self, *, kind: str | None, seed: int) -> tuple[Image, Image, str]:
        """A masked crop, its coverage (both uint8), and the kind of mask."""
        pair = synthesise(self.source, self.landmarks, kind=kind, seed=seed)
        image = warp_crop(pair.image, self.matrix, self.size)
        return image, warp_crop(pair.mask, self.matrix, self.size), pair.kind


def cut(picture: Image, landmarks: Array, size: int, *, jitter: float = 0.0, seed: int = 0) -> Crop:
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


@dataclass(frozen=True)
class PackPlan:
    """What a pack is made of; stored in `pack.json` and compared before a pack is used again."""

    size: int
    variants: int
    split: str
    per_person: int | None
    limit: int | None
    jitter: float = EYE_JITTER
    version: int = 1


def _render(item: tuple[int, Face], folder: Path, plan: PackPlan) -> tuple[int, list[Image]]:
    index, face = item
    crop = open_crop(folder, face, plan.size, jitter=plan.jitter)
    arrays = [crop.truth, crop.valid]
    for variant in range(plan.variants):
        # Types in equal parts, a different one for each variant of a face.
        kind = MASK_TYPES[(index + variant) % len(MASK_TYPES)]
        image, mask, _ = crop.masked(kind=kind, seed=seed_of(face.name, 1 + variant))
        arrays += [image, mask]
    return index, arrays


def _files(variants: int) -> list[tuple[str, int]]:
    """File names of a pack, with each array's channels."""
    pairs = [(f"masked_{v}.npy", 3) for v in range(variants)]
    masks = [(f"mask_{v}.npy", 1) for v in range(variants)]
    mixed = [file for both in zip(pairs, masks, strict=True) for file in both]
    return [("truth.npy", 3), ("valid.npy", 1), *mixed]


def write_pack(
    faces_folder: Path, faces: list[Face], plan: PackPlan, out: Path, workers: int
) -> None:
    """Renders a pack into `out`; `pack.json` is written last, so a half-made pack is never used."""
    if not faces:
        raise DataError(
            f"no faces in split {plan.split!r}; look at the landmark file's split array"
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "pack.json").unlink(missing_ok=True)
    side = (plan.size, plan.size)
    arrays = [
        np.lib.format.open_memmap(
            out / file,
            mode="w+",
            dtype=np.uint8,
            shape=(len(faces), *side, 3) if channels == 3 else (len(faces), *side),
        )
        for file, channels in _files(plan.variants)
    ]
    render = partial(_render, folder=faces_folder, plan=plan)

    def results() -> Iterator[tuple[int, list[Image]]]:
        if workers <= 1:
            yield from map(render, enumerate(faces))
            return
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(render, enumerate(faces), chunksize=16)

    for index, images in track(results(), f"packing {plan.split} {plan.size}", total=len(faces)):
        for array, image in zip(arrays, images, strict=True):
            array[index] = image
    for array in arrays:
        array.flush()
    index_file = {"plan": asdict(plan), "names": [face.name for face in faces]}
    temporary = out / "pack.json.tmp"
    temporary.write_text(json.dumps(index_file))
    os.replace(temporary, out / "pack.json")


class Pack:
    """An opened pack; arrays are memory-mapped and read-only."""

    def __init__(self, folder: Path) -> None:
        stored = json.loads((folder / "pack.json").read_text())
        self.plan = PackPlan(**stored["plan"])
        self.names: list[str] = stored["names"]
        arrays = [np.load(folder / file, mmap_mode="r") for file, _ in _files(self.plan.variants)]
        self.truth, self.valid = arrays[:2]
        self.masked, self.mask = arrays[2::2], arrays[3::2]

    def __len__(self) -> int:
        return len(self.names)


def open_pack(
    faces_folder: Path, landmarks: Path, plan: PackPlan, cache: Path, workers: int = 1
) -> Pack:
    """Opens the pack of a plan under `cache`, rendering it first if it is not there."""
    faces = select(
        read_landmarks(landmarks), split=plan.split, per_person=plan.per_person, limit=plan.limit
    )
    out = cache / f"{plan.split}-{plan.size}-{plan.variants}-{len(faces)}"
    stored = out / "pack.json"
    names = [face.name for face in faces]
    if not stored.exists() or json.loads(stored.read_text()) != {
        "plan": asdict(plan),
        "names": names,
    }:
        write_pack(faces_folder, faces, plan, out, workers)
    return Pack(out)
