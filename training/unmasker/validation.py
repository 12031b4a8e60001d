"""The quick scores that a training run logs; `unmask evaluate` measures in full."""

from __future__ import annotations

import numpy as np
import torch

from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.crop_cache import CropCache
from unmask_sdk.training.evaluation.metrics import psnr
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet


@torch.inference_mode()
def validate(
    net: UnmaskerNet, crops: CropCache, device: torch.device, batch: int = 20
) -> dict[str, float]:
    """Scores the network, with the mask that it predicts, on variant 0 of a crop cache.

    Args:
        net: The network, on `device`, in evaluation mode.
        crops: Validation crops.
        device: Where the network runs.
        batch: Crops in a batch.

    Returns:
        `hole_psnr` and `psnr` in dB (valid pixels only, mean over images), `l1` on 0..1 over valid
        pixels, `iou` of the predicted mask and the pixels that are covered by half or more.
    """
    totals: dict[str, list[float]] = {"hole_psnr": [], "psnr": [], "l1": [], "iou": []}
    for start in range(0, len(crops), batch):
        rows = np.arange(start, min(start + batch, len(crops)))
        sample = read_batch(crops, rows, 0, device)
        generated, opacity, mask = net(sample.masked)
        result = torch.lerp(sample.masked, generated.float().clamp(-1, 1), opacity)
        error = (result - sample.truth) / 2
        hole = sample.mask * sample.valid
        both = ((mask > 0) & (sample.mask > 0.5)).float() * sample.valid
        either = ((mask > 0) | (sample.mask > 0.5)).float() * sample.valid
        for i in range(len(rows)):
            squared = error[i].square().mean(0)
            inside, valid = hole[i, 0], sample.valid[i, 0]
            totals["hole_psnr"].append(
                psnr(float((squared * inside).sum() / inside.sum().clamp(min=1)))
            )
            totals["psnr"].append(psnr(float((squared * valid).sum() / valid.sum())))
            totals["l1"].append(float((error[i].abs().mean(0) * valid).sum() / valid.sum()))
            totals["iou"].append(float((both[i].sum() + 1) / (either[i].sum() + 1)))
    return {name: float(np.mean(values)) for name, values in totals.items()}
