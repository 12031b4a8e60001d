"""The contact sheet that a training run writes at every checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.crop_cache import CropCache
from unmask_sdk.training.datasets.image_files import image_grid, write_image
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet


@torch.inference_mode()
def write_sample_sheet(
    net: UnmaskerNet, crops: CropCache, path: Path, device: torch.device, count: int = 10
) -> None:
    """Writes a sheet of validation faces: masked, predicted mask, result, truth.

    Args:
        net: The network, on `device`, in evaluation mode.
        crops: Validation crops.
        path: File to write.
        device: Where the network runs.
        count: Number of faces, evenly spaced over the crop cache.
    """
    rows = np.linspace(0, len(crops) - 1, min(count, len(crops))).round().astype(int)
    sample = read_batch(crops, rows, 0, device)
    generated, opacity, mask = net(sample.masked)
    result = torch.lerp(sample.masked, generated.float(), opacity)
    mask_image = mask.expand(-1, 3, -1, -1) * 2 - 1
    columns = [to_uint8(x) for x in (sample.masked, mask_image, result, sample.truth)]
    write_image(path, image_grid([list(column) for column in columns]))


def to_uint8(images: Tensor) -> UInt8Array:
    """Returns uint8 `[N, S, S, 3]` of images `[N, 3, S, S]` in -1..1."""
    scaled = (images.float().clamp(-1, 1) + 1) * 127.5
    pixels: UInt8Array = scaled.round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels
