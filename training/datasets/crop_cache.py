"""Crop caches: crops with masks, rendered once and read in every epoch.

A crop cache is a folder of plain arrays that are memory-mapped, so it can be larger than memory:
`truth.npy` uint8 `[N, S, S, 3]`, `valid.npy` uint8 `[N, S, S]` (255 where the source image has
data), for each variant V `masked_V.npy` and `mask_V.npy` of the same shapes, and `pack.json`,
which says what they were made of. `bearded.npy`, bool `[N]`, is 1 where the lower face looks
bearded. A face takes `4 * S * S * (1 + variants)` bytes: 786 kB at
256 px with two variants.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import BoolArray, UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError
from unmask_sdk.training.synthesis.beard import THRESHOLD, beard_score
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .background_exchange import BackgroundExchange
from .crops import EYE_JITTER, cut_crop, seed_from_name
from .image_files import read_image
from .landmark_file import FaceRecord
from .selection import select_faces

INDEX = "pack.json"
BEARDED = "bearded.npy"
HOW_TO_FREE_SPACE = "free some space, use fewer faces with --limit, or choose another --run"


@dataclass(frozen=True)
class CropCacheConfig:
    """What a crop cache is made of.

    It is stored in `pack.json` and compared before a cache is used again, so the names of the
    fields must not change.

    Attributes:
        size: Side of the crops in pixels.
        variants: Masks for each face.
        split: Split of the faces.
        per_person: At most this many faces of one person; `None` for no limit.
        limit: At most this many faces; `None` for no limit.
        jitter: Standard deviation of the eyes' displacement, in pixels of a 256 px crop.
        hard_share: Fraction of masks that are hard to find (see `synthesis.hard_masks`).
        background_share: Fraction of the faces whose background is exchanged, if they can be cut
            out well (see `synthesis.backgrounds`).
        version: Increased when the same configuration renders other crops.
    """

    size: int
    variants: int
    split: str
    per_person: int | None
    limit: int | None
    jitter: float = EYE_JITTER
    hard_share: float = 0.0
    background_share: float = 0.0
    version: int = 7

    def choose(self, faces: list[FaceRecord]) -> list[FaceRecord]:
        """Returns the faces that are in the cache, in its order."""
        return select_faces(faces, split=self.split, per_person=self.per_person, limit=self.limit)

    def shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        """Returns the array files of a cache of `count` faces, with their shapes."""
        image, plane = (count, self.size, self.size, 3), (count, self.size, self.size)
        files: dict[str, tuple[int, ...]] = {"truth.npy": image, "valid.npy": plane}
        for variant in range(self.variants):
            files |= {f"masked_{variant}.npy": image, f"mask_{variant}.npy": plane}
        return files

    def folder(self, root: Path, count: int) -> Path:
        """Returns the folder under `root` of a cache of `count` faces."""
        return root / f"{self.split}-{self.size}-{self.variants}-{count}"


def _render(
    item: tuple[int, FaceRecord],
    folder: Path,
    config: CropCacheConfig,
    exchange: BackgroundExchange | None,
) -> tuple[int, list[UInt8Array], bool]:
    index, face = item
    image = read_image(folder / face.name)
    if exchange:
        image = exchange.apply(face, image)
    crop = cut_crop(
        image,
        face.landmarks,
        config.size,
        jitter=config.jitter,
        seed=seed_from_name(face.name, 0),
    )
    arrays = [crop.truth, crop.valid]
    for variant in range(config.variants):
        # Mask types in equal parts, a different one for each variant of a face.
        kind = MASK_TYPES[(index + variant) % len(MASK_TYPES)]
        seed = seed_from_name(face.name, 1 + variant)
        hard = bool(np.random.default_rng((seed, 2)).random() < config.hard_share)
        masked, mask, _ = crop.masked(kind=kind, seed=seed, hard=hard)
        arrays += [masked, mask]
    return index, arrays, beard_score(image, face.landmarks) > THRESHOLD


def _index(
    faces_folder: Path, faces: list[FaceRecord], config: CropCacheConfig
) -> dict[str, object]:
    """Returns the content of `pack.json`: equal only for equal config, landmarks and images."""
    digest = hashlib.sha256()
    for face in faces:
        image = faces_folder / face.name
        try:
            status = image.stat()
        except OSError as error:
            raise DataError(
                f"cannot read {image}: {error.strerror}; restore it, or remove this name from "
                "the landmark file"
            ) from None
        digest.update(face.landmarks.tobytes())
        digest.update(f"{face.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    names = [face.name for face in faces]
    return {"plan": asdict(config), "names": names, "digest": digest.hexdigest()}


def _is_current(folder: Path, config: CropCacheConfig, index: dict[str, object], n: int) -> bool:
    try:
        stored = json.loads((folder / INDEX).read_text())
        sizes = {file: (folder / file).stat().st_size for file in config.shapes(n)}
    except (OSError, ValueError):  # Missing or damaged: it is rendered again.
        return False
    return bool(stored == index) and all(
        sizes[file] > math.prod(shape) for file, shape in config.shapes(n).items()
    )


def check_disk_space(
    faces_folder: Path, caches: Iterable[tuple[list[FaceRecord], CropCacheConfig]], run: Path
) -> None:
    """Checks that all crop caches that are still to be rendered fit on the disk.

    Args:
        faces_folder: The folder that the faces' names are relative to.
        caches: The set that each cache chooses from, and its configuration.
        run: A folder on the same disk; the caches are in its folder `packs`.

    Raises:
        DataError: If they do not fit; the message says how much is needed and how much is free.
    """
    needs: dict[Path, int] = {}
    for faces, config in caches:
        chosen = config.choose(faces)
        folder = config.folder(run / "packs", len(chosen))
        index = _index(faces_folder, chosen, config)
        if not _is_current(folder, config, index, len(chosen)):
            # The files of an outdated cache are overwritten, also those of one with other masks.
            needs[folder] = sum(map(math.prod, config.shapes(len(chosen)).values())) - sum(
                file.stat().st_size for file in folder.glob("*.npy")
            )
    needed = sum(needs.values())
    free = shutil.disk_usage(run).free
    if needed > free:
        raise DataError(
            f"the crops of the faces need {needed / 1e9:.1f} GB of disk, and {run} has "
            f"{free / 1e9:.1f} GB free; {HOW_TO_FREE_SPACE}"
        )


def _reserve(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Creates an array on disk and allocates every byte of it.

    A mapped file is sparse at first. If the disk fills up later, writing to the map raises no
    error; it ends the process by a signal.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                # Some file systems cannot allocate; there the check of the free space must do.
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
    return array


def write_crop_cache(
    faces_folder: Path,
    faces: list[FaceRecord],
    config: CropCacheConfig,
    out: Path,
    workers: int,
    selfie_model: Path | None = None,
) -> None:
    """Renders a crop cache.

    `pack.json` is written last, so that an incomplete cache is never used.

    Args:
        faces_folder: The folder that the faces' names are relative to.
        faces: The faces to render.
        config: How to render them.
        out: Folder to write to.
        workers: Number of processes that render.
        selfie_model: MediaPipe's `selfie_segmentation.tflite`, if backgrounds are exchanged.

    Raises:
        MissingDependencyError: If backgrounds are exchanged and LiteRT is not installed.
        DataError: If there are no faces, if that model is missing, if an image cannot be read, or
            if the disk is full.
    """
    if not faces:
        raise DataError(
            f"no faces in split {config.split!r}; check the array split of the landmark file"
        )
    exchange = BackgroundExchange.plan(faces_folder, config.background_share, selfie_model, faces)
    index = _index(faces_folder, faces, config)
    shapes = config.shapes(len(faces))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / INDEX).unlink(missing_ok=True)
        arrays = [_reserve(out / file, shape) for file, shape in shapes.items()]
    except OSError as error:
        for file in shapes:
            (out / file).unlink(missing_ok=True)
        needed = sum(map(math.prod, shapes.values()))
        raise DataError(
            f"cannot reserve {needed / 1e9:.1f} GB in {out}: {error.strerror}; {HOW_TO_FREE_SPACE}"
        ) from None
    render = partial(_render, folder=faces_folder, config=config, exchange=exchange)

    def results() -> Iterator[tuple[int, list[UInt8Array], bool]]:
        if workers <= 1:
            yield from map(render, enumerate(faces))
            return
        # Not forked: other threads may hold locks that the child would wait for.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            yield from pool.map(render, enumerate(faces), chunksize=16)

    label = f"rendering {config.split} {config.size}"
    bearded = np.zeros(len(faces), bool)
    for row, images, is_bearded in track(results(), label, total=len(faces)):
        bearded[row] = is_bearded
        for array, image in zip(arrays, images, strict=True):
            array[row] = image
    for array in arrays:
        array.flush()
    np.save(out / BEARDED, bearded)
    atomic_write(out / INDEX, json.dumps(index).encode())


class CropCache:
    """An opened crop cache; its arrays are memory-mapped and read-only.

    Attributes:
        config: What it was made of.
        names: Names of its faces, one per row.
        truth: uint8 `[N, S, S, 3]` RGB, crops without masks.
        valid: uint8 `[N, S, S]`, 255 where the source image has data.
        masked: For each variant, uint8 `[N, S, S, 3]` RGB, crops with masks.
        mask: For each variant, uint8 `[N, S, S]`, coverage of the masks.
        bearded: bool `[N]`, whether the lower face looks bearded (see `synthesis.beard`).
    """

    def __init__(self, folder: Path) -> None:
        stored = json.loads((folder / INDEX).read_text())
        self.config = CropCacheConfig(**stored["plan"])
        self.names: list[str] = stored["names"]
        files = self.config.shapes(len(self.names))
        arrays: list[UInt8Array] = [np.load(folder / file, mmap_mode="r") for file in files]
        self.truth, self.valid = arrays[:2]
        self.masked, self.mask = arrays[2::2], arrays[3::2]
        # Caches of version 3 have none.
        self.bearded: BoolArray = (
            np.load(folder / BEARDED)
            if (folder / BEARDED).exists()
            else np.zeros(len(self.names), bool)
        )

    def __len__(self) -> int:
        return len(self.names)


def open_crop_cache(
    faces_folder: Path,
    faces: list[FaceRecord],
    config: CropCacheConfig,
    root: Path,
    workers: int = 1,
    selfie_model: Path | None = None,
) -> CropCache:
    """Opens the crop cache of a configuration under `root`, and renders it first if needed.

    A cache is used again if the configuration, the names and the landmarks are the same, and also
    the sizes and modification times of the images.

    Args:
        faces_folder: The folder that the faces' names are relative to.
        faces: The set; the configuration chooses from it.
        config: What the cache is made of.
        root: The folder that holds all caches.
        workers: Number of processes that render.
        selfie_model: MediaPipe's `selfie_segmentation.tflite`, if backgrounds are exchanged.
    """
    chosen = config.choose(faces)
    folder = config.folder(root, len(chosen))
    index = _index(faces_folder, chosen, config)
    if not _is_current(folder, config, index, len(chosen)):
        write_crop_cache(faces_folder, chosen, config, folder, workers, selfie_model)
    return CropCache(folder)
