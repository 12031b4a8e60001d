"""Contact sheets: what people look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.crop_cache import CropCache
from unmask_sdk.training.datasets.image_files import image_grid, write_image
from unmask_sdk.training.nets.networks import UnmaskerNet


def _pixels(x: torch.Tensor) -> np.ndarray:
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.inference_mode()
def write_sheet(
    net: UnmaskerNet, pack: CropCache, path: Path, device: torch.device, count: int = 10
) -> None:
    """Draws `count` validation faces: masked, mask found, result, truth."""
    rows = np.linspace(0, len(pack) - 1, min(count, len(pack))).round().astype(int)
    sample = read_batch(pack, rows, 0, device)
    picture, opacity, mask = net(sample.masked)
    filled = torch.lerp(sample.masked, picture.float(), opacity)
    found = mask.expand(-1, 3, -1, -1) * 2 - 1
    columns = [_pixels(x) for x in (sample.masked, found, filled, sample.truth)]
    write_image(path, image_grid([list(column) for column in columns]))
