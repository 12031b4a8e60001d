"""Crops in the memory of the device that trains on them.

A GPU takes thousands of crops a second: more than a disk gives and a bus carries. As bytes, ten
thousand faces at 256 px with two masks each take 7.9 GB.
"""

from __future__ import annotations

import numpy as np
import rich
import torch
from torch import Tensor

from unmask_sdk.core.arrays import UInt8Array

from .crop_cache import CropCache

# Rows that are copied at a time.
CHUNK = 256


class DeviceCrops:
    """The arrays of a crop cache as uint8 tensors on a device, see `CropCache`.

    Args:
        cache: The crop cache.
        device: Where its arrays are copied to.

    Attributes:
        truth: `[N, S, S, 3]`.
        valid: `[N, S, S]`.
        masked: For each variant, `[N, S, S, 3]`.
        mask: For each variant, `[N, S, S]`.
        bearded: Whether the lower face looks bearded, bool `[N]` on the CPU.
    """

    def __init__(self, cache: CropCache, device: torch.device) -> None:
        self.truth = _copy(cache.truth, device)
        self.valid = _copy(cache.valid, device)
        self.masked = [_copy(array, device) for array in cache.masked]
        self.mask = [_copy(array, device) for array in cache.mask]
        self.bearded = cache.bearded

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


def _copy(array: UInt8Array, device: torch.device) -> Tensor:
    copied = torch.empty(array.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(array), CHUNK):
        part = np.array(array[start : start + CHUNK])
        copied[start : start + CHUNK] = torch.from_numpy(part).to(device)
    return copied
