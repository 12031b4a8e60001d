"""Contact sheets: what people look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import ImageWriteError
from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.crop_cache import Pack
from unmask_sdk.training.nets.networks import Unmasker


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes a uint8 array, RGB or grey; the suffix chooses the format.

    Raises:
        ImageWriteError: If it cannot be encoded or written; no part of it is left.
    """
    bgr = picture[..., ::-1] if picture.ndim == 3 else picture
    try:
        encoded, data = cv2.imencode(path.suffix, bgr)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = picture.shape[:2]
        raise ImageWriteError(
            f"cannot write {path}: {width}x{height} pixels are too many for {path.suffix}, or no "
            "such format is known"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data.tobytes())
    except OSError as error:
        raise ImageWriteError(f"cannot write {path}: {error.strerror}") from None


def grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Joins equally sized pictures into one."""
    return np.vstack([np.hstack(row) for row in rows])


def _pixels(x: torch.Tensor) -> np.ndarray:
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.inference_mode()
def write_sheet(
    net: Unmasker, pack: Pack, path: Path, device: torch.device, count: int = 10
) -> None:
    """Draws `count` validation faces: masked, mask found, result, truth."""
    rows = np.linspace(0, len(pack) - 1, min(count, len(pack))).round().astype(int)
    sample = read_batch(pack, rows, 0, device)
    picture, opacity, mask = net(sample.masked)
    filled = torch.lerp(sample.masked, picture.float(), opacity)
    found = mask.expand(-1, 3, -1, -1) * 2 - 1
    columns = [_pixels(x) for x in (sample.masked, found, filled, sample.truth)]
    write_picture(path, grid([list(column) for column in columns]))
