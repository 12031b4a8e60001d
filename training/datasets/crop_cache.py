"""Crop caches: crops with masks, rendered once and read in every epoch.

`render_cache.py` renders them.

A crop cache is a folder of plain arrays that are memory-mapped, so it can be larger than memory:
`truth.npy` uint8 `[N, S, S, 3]`, `valid.npy` uint8 `[N, S, S]` (255 where the source image has
data), for each variant V `masked_V.npy` and `mask_V.npy` of the same shapes, and `pack.json`,
which says what they were made of. `bearded.npy`, bool `[N]`, is 1 where the lower face looks
bearded. A face takes `4 * S * S * (1 + variants)` bytes: 786 kB at
256 px with two variants.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import BoolArray, UInt8Array
from unmask_sdk.errors import DataError

from .crops import EYE_JITTER
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


def pack_index(
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


def is_current(folder: Path, config: CropCacheConfig, index: dict[str, object], n: int) -> bool:
    """Returns whether a folder holds the complete crop cache of `n` faces with this index."""
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
        index = pack_index(faces_folder, chosen, config)
        if not is_current(folder, config, index, len(chosen)):
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
        rendered: bool `[N]`, which rows may be read; all, once the cache is complete.
    """

    bearded: BoolArray

    def __init__(self, folder: Path) -> None:
        stored = json.loads((folder / INDEX).read_text())
        self._map(folder, CropCacheConfig(**stored["plan"]), stored["names"])
        self.rendered: BoolArray = np.ones(len(self), bool)
        # Caches of version 3 have none.
        self.bearded = (
            np.load(folder / BEARDED) if (folder / BEARDED).exists() else np.zeros(len(self), bool)
        )

    def _map(self, folder: Path, config: CropCacheConfig, names: list[str]) -> None:
        self.config = config
        self.names = names
        files = config.shapes(len(names))
        arrays: list[UInt8Array] = [np.load(folder / file, mmap_mode="r") for file in files]
        self.truth, self.valid = arrays[:2]
        self.masked, self.mask = arrays[2::2], arrays[3::2]

    def __len__(self) -> int:
        return len(self.names)
