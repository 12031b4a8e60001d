"""A crop cache that is being rendered, of which some rows can be read already."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import BoolArray
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError

from .crop_cache import BEARDED, HOW_TO_FREE_SPACE, INDEX, CropCache, CropCacheConfig

PROGRESS = "rendered.json"


class UnfinishedCropCache(CropCache):
    """The arrays of a crop cache while they are rendered, and which of their rows are complete.

    Rows that an interrupted run has left in the folder are kept if they are of the same
    configuration, faces and images. `rendered.json` lists them: it is written after the rows are on
    the disk, and `pack.json`, which makes the cache complete, after all of them.

    Args:
        folder: Folder of the cache.
        config: What it is made of.
        index: What `pack.json` will contain (see `crop_cache.pack_index`).
        names: Names of its faces, one per row.

    Raises:
        DataError: If the disk is too full.
    """

    def __init__(
        self, folder: Path, config: CropCacheConfig, index: dict[str, object], names: list[str]
    ) -> None:
        self.folder = folder
        self._index = index
        self._digest = hashlib.sha256(json.dumps(index).encode()).hexdigest()
        self._shapes = config.shapes(len(names))
        self.rendered = np.zeros(len(names), bool)
        self.bearded = np.zeros(len(names), bool)
        if not self._resume():
            self._reserve()
        self._map(folder, config, names)

    def _resume(self) -> bool:
        """Reads which rows are complete; returns whether the folder holds any of this cache."""
        try:
            stored = json.loads((self.folder / PROGRESS).read_text())
            if stored["pack"] != self._digest:
                return False
            for file, shape in self._shapes.items():
                array = np.load(self.folder / file, mmap_mode="r")
                if array.shape != shape or array.dtype != np.uint8:
                    return False
            rendered, bearded = (
                _from_hex(stored[key], len(self.rendered)) for key in ("rendered", "bearded")
            )
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            return False  # Missing or damaged: it is rendered again.
        self.rendered, self.bearded = rendered, bearded
        return True

    def _reserve(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in (INDEX, PROGRESS):
                (self.folder / file).unlink(missing_ok=True)
            for file, shape in self._shapes.items():
                _reserve(self.folder / file, shape)
        except OSError as error:
            for file in self._shapes:
                (self.folder / file).unlink(missing_ok=True)
            needed = sum(map(math.prod, self._shapes.values()))
            raise DataError(
                f"cannot reserve {needed / 1e9:.1f} GB in {self.folder}: {error.strerror}; "
                f"{HOW_TO_FREE_SPACE}"
            ) from None

    def add(self, row: int, bearded: bool) -> None:
        """Makes a row readable, once all its arrays are written."""
        self.bearded[row] = bearded
        self.rendered[row] = True

    def save(self) -> None:
        """Writes the rows to the disk, then which rows they are; all of them make it complete.

        Raises:
            DataError: If they cannot be written.
        """
        try:
            for file in self._shapes:
                # Not the arrays' `flush`, which keeps other threads from running.
                with (self.folder / file).open("r+b") as opened:
                    os.fsync(opened.fileno())
            if self.rendered.all():
                np.save(self.folder / BEARDED, self.bearded)
                atomic_write(self.folder / INDEX, json.dumps(self._index).encode())
                (self.folder / PROGRESS).unlink(missing_ok=True)
                return
            progress = {
                "pack": self._digest,
                "rendered": _to_hex(self.rendered),
                "bearded": _to_hex(self.bearded),
            }
            atomic_write(self.folder / PROGRESS, json.dumps(progress).encode())
        except OSError as error:
            raise DataError(
                f"cannot write crops to {self.folder}: {error.strerror}; {HOW_TO_FREE_SPACE}"
            ) from None


def _to_hex(flags: BoolArray) -> str:
    return np.packbits(flags).tobytes().hex()


def _from_hex(text: str, count: int) -> BoolArray:
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    if len(packed) != math.ceil(count / 8):
        raise ValueError(f"{len(packed)} bytes for {count} rows")
    return np.unpackbits(packed, count=count).astype(bool)


def _reserve(path: Path, shape: tuple[int, ...]) -> None:
    """Creates an array on disk and allocates every byte of it.

    A mapped file is sparse at first. If the disk fills up later, writing to the map raises no
    error; it ends the process by a signal.
    """
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                # Some file systems cannot allocate; there the check of the free space must do.
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
