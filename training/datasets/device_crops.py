"""Crops in the memory of the device that trains on them.

A GPU takes thousands of crops a second: more than a disk gives and a bus carries. As bytes, ten
thousand faces at 256 px with two masks each take 7.9 GB.
"""

from __future__ import annotations

import numpy as np
import rich
import torch
from torch import Tensor

from unmask_sdk.core.arrays import BoolArray, UInt8Array

from .crop_cache import CropCache

# Rows that are copied at a time.
CHUNK = 256


class DeviceCrops:
    """The arrays of a crop cache as uint8 tensors on a device, see `CropCache`.

    Rows that are rendered later are copied by `refresh`.

    Args:
        cache: The crop cache.
        device: Where its arrays are copied to.

    Attributes:
        truth: `[N, S, S, 3]`.
        valid: `[N, S, S]`.
        masked: For each variant, `[N, S, S, 3]`.
        mask: For each variant, `[N, S, S]`.
        bearded: Whether the lower face looks bearded, bool `[N]` on the CPU.
        rendered: Which rows are on the device, bool `[N]` on the CPU.
    """

    def __init__(self, cache: CropCache, device: torch.device) -> None:
        self._cache = cache
        self._copies: list[tuple[Tensor, UInt8Array]] = []

        def reserve(array: UInt8Array) -> Tensor:
            tensor = torch.empty(array.shape, dtype=torch.uint8, device=device)
            self._copies.append((tensor, array))
            return tensor

        self.truth = reserve(cache.truth)
        self.valid = reserve(cache.valid)
        self.masked = [reserve(array) for array in cache.masked]
        self.mask = [reserve(array) for array in cache.mask]
        self.bearded = cache.bearded
        self.rendered: BoolArray = np.zeros(len(cache), bool)
        self.refresh()

    def refresh(self) -> None:
        """Copies rows that were rendered meanwhile, once there are enough of them or all are.

        It is called by the thread that trains, so that a copy never meets a batch that is read.
        """
        rendered = self._cache.rendered.copy()
        new = np.flatnonzero(rendered & ~self.rendered)
        if len(new) < CHUNK and self.rendered.any() and not rendered.all():
            return
        for start in range(0, len(new), CHUNK):
            rows = new[start : start + CHUNK]
            for tensor, array in self._copies:
                index = torch.from_numpy(rows).to(tensor.device)
                tensor[index] = torch.from_numpy(array[rows]).to(tensor.device)
            self.rendered[rows] = True

    def __len__(self) -> int:
        return len(self.truth)


def crops_on_device(cache: CropCache, device: torch.device) -> CropCache | DeviceCrops:
    """Copies a crop cache into a GPU's memory if it takes at most half of what is free there.

    Otherwise, which is reported, and on the CPU, batches are read from the disk.
    """
    if device.type != "cuda":
        return cache
    needed = sum(array.nbytes for array in (cache.truth, cache.valid, *cache.masked, *cache.mask))
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free / 2:
        rich.print(
            f"the crops take {needed / 1e9:.1f} GB, more than half of the {free / 1e9:.1f} GB that "
            f"{device} has free: each batch is read from the disk, which is slower"
        )
        return cache
    return DeviceCrops(cache, device)
