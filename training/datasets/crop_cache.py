"""Packs: crops with masks on them, rendered once and then read by every epoch.

A pack is a folder of plain arrays that are memory-mapped, so it can be larger than memory:
`truth.npy` uint8 `[N, S, S, 3]`, `valid.npy` uint8 `[N, S, S]` (255 where the source picture has
data), and for each variant V `masked_V.npy` and `mask_V.npy`, beside `pack.json`. On disk a face
takes `4 * S * S * (1 + variants)` bytes: 786 kB at 256 px with two variants.
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
from pathlib import Path

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .crops import EYE_JITTER, read_crop, seed_from_name
from .landmark_file import FaceRecord
from .selection import select_faces

HOW_TO_MAKE_ROOM = "free some space, use fewer faces with --limit, or choose another --run"


@dataclass(frozen=True)
class CropCacheConfig:
    """What a pack is made of; stored in `pack.json` and compared before a pack is used again."""

    size: int
    variants: int
    split: str
    per_person: int | None
    limit: int | None
    jitter: float = EYE_JITTER
    hard_share: float = 0.0
    version: int = 3

    def choose(self, faces: list[FaceRecord]) -> list[FaceRecord]:
        """The faces that go into the pack."""
        return select_faces(faces, split=self.split, per_person=self.per_person, limit=self.limit)

    def shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        """The files of a pack of so many faces, with their arrays' shapes."""
        picture, plane = (count, self.size, self.size, 3), (count, self.size, self.size)
        files: dict[str, tuple[int, ...]] = {"truth.npy": picture, "valid.npy": plane}
        for variant in range(self.variants):
            files |= {f"masked_{variant}.npy": picture, f"mask_{variant}.npy": plane}
        return files

    def folder(self, cache: Path, count: int) -> Path:
        """Where the pack of so many faces lies."""
        return cache / f"{self.split}-{self.size}-{self.variants}-{count}"


def _render(
    item: tuple[int, FaceRecord], folder: Path, plan: CropCacheConfig
) -> tuple[int, list[UInt8Array]]:
    index, face = item
    crop = read_crop(folder, face, plan.size, jitter=plan.jitter)
    arrays = [crop.truth, crop.valid]
    for variant in range(plan.variants):
        # Types in equal parts, a different one for each variant of a face.
        kind = MASK_TYPES[(index + variant) % len(MASK_TYPES)]
        seed = seed_from_name(face.name, 1 + variant)
        hard = bool(np.random.default_rng((seed, 2)).random() < plan.hard_share)
        image, mask, _ = crop.masked(kind=kind, seed=seed, hard=hard)
        arrays += [image, mask]
    return index, arrays


def _contents(
    faces_folder: Path, faces: list[FaceRecord], plan: CropCacheConfig
) -> dict[str, object]:
    """What `pack.json` holds: equal for equal plans, landmarks and pictures only."""
    digest = hashlib.sha256()
    for face in faces:
        picture = faces_folder / face.name
        try:
            status = picture.stat()
        except OSError as error:
            raise DataError(
                f"cannot read {picture}: {error.strerror}; mend the faces folder, or take this "
                "name out of the landmark file"
            ) from None
        digest.update(face.landmarks.tobytes())
        digest.update(f"{face.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    names = [face.name for face in faces]
    return {"plan": asdict(plan), "names": names, "digest": digest.hexdigest()}


def _is_current(out: Path, plan: CropCacheConfig, contents: dict[str, object], count: int) -> bool:
    try:
        stored = json.loads((out / "pack.json").read_text())
        sizes = {file: (out / file).stat().st_size for file in plan.shapes(count)}
    except (OSError, ValueError):  # Not there, or damaged: it is made again.
        return False
    return stored == contents and all(
        sizes[file] > math.prod(shape) for file, shape in plan.shapes(count).items()
    )


def check_disk_space(
    faces_folder: Path, faces: list[FaceRecord], plans: Iterable[CropCacheConfig], run: Path
) -> None:
    """Checks that the disk can take all the packs that are still to be rendered.

    Args:
        faces_folder: Where the faces' names start.
        faces: The set.
        plans: Plans of all packs.
        run: A folder on the disk that they will lie on; packs lie in its folder `packs`.

    Raises:
        DataError: If it cannot, saying how much is needed and how much is free.
    """
    needs: dict[Path, int] = {}
    for plan in set(plans):
        chosen = plan.choose(faces)
        out = plan.folder(run / "packs", len(chosen))
        if not _is_current(out, plan, _contents(faces_folder, chosen, plan), len(chosen)):
            # A pack that is made again is written over, and so is one with other masks.
            needs[out] = sum(map(math.prod, plan.shapes(len(chosen)).values())) - sum(
                file.stat().st_size for file in out.glob("*.npy")
            )
    needed = sum(needs.values())
    free = shutil.disk_usage(run).free
    if needed > free:
        raise DataError(
            f"the faces need {needed / 1e9:.1f} GB of disk once packed, and {run} has "
            f"{free / 1e9:.1f} GB free; {HOW_TO_MAKE_ROOM}"
        )


def _reserve(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Makes an array on disk whose every byte has its place.

    A mapped file is sparse at first; if the disk fills later, writing to the map is no error but
    a signal that ends the process.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                # Some file systems cannot reserve; there, checking the free space must do.
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
    return array


def write_crop_cache(
    faces_folder: Path, faces: list[FaceRecord], plan: CropCacheConfig, out: Path, workers: int
) -> None:
    """Renders a pack into `out`; `pack.json` is written last, so a half-made pack is never used."""
    if not faces:
        raise DataError(
            f"no faces in split {plan.split!r}; look at the landmark file's split array"
        )
    contents = _contents(faces_folder, faces, plan)
    shapes = plan.shapes(len(faces))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "pack.json").unlink(missing_ok=True)
        arrays = [_reserve(out / file, shape) for file, shape in shapes.items()]
    except OSError as error:
        for file in shapes:
            (out / file).unlink(missing_ok=True)
        needed = sum(map(math.prod, shapes.values()))
        raise DataError(
            f"cannot reserve {needed / 1e9:.1f} GB in {out}: {error.strerror}; {HOW_TO_MAKE_ROOM}"
        ) from None
    render = partial(_render, folder=faces_folder, plan=plan)

    def results() -> Iterator[tuple[int, list[UInt8Array]]]:
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
    atomic_write(out / "pack.json", json.dumps(contents).encode())


class CropCache:
    """An opened pack; arrays are memory-mapped and read-only."""

    def __init__(self, folder: Path) -> None:
        stored = json.loads((folder / "pack.json").read_text())
        self.plan = CropCacheConfig(**stored["plan"])
        self.names: list[str] = stored["names"]
        files = self.plan.shapes(len(self.names))
        arrays = [np.load(folder / file, mmap_mode="r") for file in files]
        self.truth, self.valid = arrays[:2]
        self.masked, self.mask = arrays[2::2], arrays[3::2]

    def __len__(self) -> int:
        return len(self.names)


def open_crop_cache(
    faces_folder: Path,
    faces: list[FaceRecord],
    plan: CropCacheConfig,
    cache: Path,
    workers: int = 1,
) -> CropCache:
    """Opens the pack of a plan under `cache`, rendering it first if it is not there.

    A pack is used again if plan, names and landmarks are the same, and the pictures' sizes and
    times of change too.
    """
    chosen = plan.choose(faces)
    out = plan.folder(cache, len(chosen))
    if not _is_current(out, plan, _contents(faces_folder, chosen, plan), len(chosen)):
        write_crop_cache(faces_folder, chosen, plan, out, workers)
    return CropCache(out)
