"""The quick scores that a training run logs; `unmask evaluate` measures in full."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.crop_cache import CropCache
from unmask_sdk.training.evaluation.efficientnet import why_missing
from unmask_sdk.training.evaluation.kid import FaceFeatures, kid
from unmask_sdk.training.evaluation.metrics import psnr, sharpness
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet

from .sample_sheet import to_uint8


class Realism:
    """Compares results on validation crops with their truth: KID, and sharpness.

    The features of the truth are computed once.

    Args:
        crops: Validation crops.
        features: Computes what KID compares.
    """

    def __init__(self, crops: CropCache, features: FaceFeatures) -> None:
        self._crops = crops
        self._features = features
        self._truth = features(crops.truth)

    def __call__(self, results: list[UInt8Array]) -> dict[str, float]:
        """Returns `kid` (x1000) and `sharpness` (median) of results, uint8 `[S, S, 3]` each.

        Each is missing where it cannot be measured: KID of a single face, sharpness of small holes.

        Every result is compared with every truth, its own too, which lowers KID by about 1 with
        300 faces and by 3 with 100: compare runs that are validated with the same faces.
        """
        crops = self._crops
        scores = {}
        if len(results) > 1:
            scores["kid"] = kid(self._features(results), self._truth)
        ratios = map(sharpness, results, crops.truth, crops.mask[0], crops.valid)
        measured = [ratio for ratio in ratios if ratio is not None]
        if measured:
            scores["sharpness"] = float(np.median(measured))
        return scores


def open_features(device: torch.device) -> FaceFeatures | None:
    """Returns what KID is computed with; `None`, and prints why, if it is not installed."""
    missing = why_missing("logging KID and sharpness")
    if missing:
        print(f"{missing}; this run goes on without")
        return None
    return FaceFeatures(device)


def is_best(metrics: Path, entry: Mapping[str, float]) -> bool:
    """Returns whether an entry has the lowest KID of a log so far, at its crop size.

    Args:
        metrics: The log, `metrics.jsonl`, with or without the entry.
        entry: The scores of the current step.
    """
    if "kid" not in entry:
        return False
    kids = []
    for line in metrics.read_text().splitlines():
        try:
            logged = json.loads(line)
        except ValueError:  # A run that was killed may have left half a line.
            continue
        if "kid" in logged and logged["size"] == entry["size"]:
            kids.append(logged["kid"])
    return bool(entry["kid"] <= min(kids, default=math.inf))


def describe(scores: Mapping[str, float]) -> str:
    """Returns the scores that decide between weights, for the line of progress."""
    parts = [f"hole {scores['hole_psnr']:.2f} dB"]
    if "kid" in scores:
        parts.append(f"KID {scores['kid']:.1f}")
    if "sharpness" in scores:
        parts.append(f"sharpness {scores['sharpness']:.2f}")
    return ", ".join(parts)


@torch.inference_mode()
def validate(
    net: UnmaskerNet,
    crops: CropCache,
    device: torch.device,
    realism: Realism | None = None,
    batch: int = 20,
) -> dict[str, float]:
    """Scores the network, with the mask that it predicts, on variant 0 of a crop cache.

    Args:
        net: The network, on `device`, in evaluation mode.
        crops: Validation crops.
        device: Where the network runs.
        realism: Measures KID and sharpness, of the same crops.
        batch: Crops in a batch.

    Returns:
        `hole_psnr` and `psnr` in dB (valid pixels only, mean over images), `l1` on 0..1 over valid
        pixels, `iou` of the predicted mask and the pixels that are covered by half or more; with
        `realism` also what it returns.
    """
    results: list[UInt8Array] = []
    totals: dict[str, list[float]] = {"hole_psnr": [], "psnr": [], "l1": [], "iou": []}
    for start in range(0, len(crops), batch):
        rows = np.arange(start, min(start + batch, len(crops)))
        sample = read_batch(crops, rows, 0, device)
        generated, opacity, mask = net(sample.masked)
        result = torch.lerp(sample.masked, generated.float().clamp(-1, 1), opacity)
        error = (result - sample.truth) / 2
        if realism:
            results += list(to_uint8(result))
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
    scores = {name: float(np.mean(values)) for name, values in totals.items()}
    return scores | (realism(results) if realism else {})
