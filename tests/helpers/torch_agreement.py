"""Compares a runtime with the PyTorch reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.loading.load import open_runtime


def agree(folder: Path | None, size: int, count: int, runtime: str = "onnx") -> None:
    """Asserts that torch and a runtime agree within 1 of 255 on drawn images and on noise.

    Args:
        folder: Folder with a manifest; `None` for the shipped one.
        size: Side of the crop in pixels.
        count: Number of images; half of them are noise.
        runtime: Runtime that is compared with torch.
    """
    noise = np.random.default_rng(5).integers(0, 256, (count // 2, size, size, 3), np.uint8)
    images = np.concatenate([draw_masked_faces(count - count // 2, size, size, seed=9), noise])
    with (
        open_runtime(runtime="torch", artifacts=folder) as reference,
        open_runtime(runtime=runtime, artifacts=folder) as candidate,
    ):
        for start in range(0, count, 16):
            batch = images[start : start + 16]
            for expected, actual in zip(reference.run(batch), candidate.run(batch), strict=True):
                assert np.abs(expected.astype(int) - actual).max() <= 1
