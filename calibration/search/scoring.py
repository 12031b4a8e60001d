"""Measures the quality drop of int8: the same pairs through a float file and an int8 file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.runtimes.onnx_session import open_session
from unmask_sdk.training.evaluation import metrics


@dataclass(frozen=True, eq=False)
class Pairs:
    """Masked crops and their ground truth.

    Attributes:
        masked: uint8 `[N, S, S, 3]` RGB.
        truth: uint8 `[N, S, S, 3]` RGB, the crops without masks.
        mask: uint8 `[N, S, S]`, the true coverage by the mask.
        valid: uint8 `[N, S, S]`, 255 where the source image has data.
    """

    masked: UInt8Array
    truth: UInt8Array
    mask: UInt8Array
    valid: UInt8Array

    def __len__(self) -> int:
        return len(self.masked)

    def part(self, rows: slice) -> Pairs:
        """Returns some of the pairs."""
        return Pairs(self.masked[rows], self.truth[rows], self.mask[rows], self.valid[rows])


@dataclass(frozen=True)
class QualityDrop:
    """What int8 loses compared with float, as means over pairs.

    Attributes:
        hole_psnr_db: PSNR in the hole against the truth: that of float minus that of int8.
        ssim: SSIM against the truth: that of float minus that of int8.
        mask_iou: IoU of the int8 mask and the float mask.
        psnr_db: PSNR of the int8 images against the float images.
    """

    hole_psnr_db: float
    ssim: float
    mask_iou: float
    psnr_db: float

    def within(self, limits: QualityDrop) -> bool:
        """Returns whether none of the first three values is worse than the limits."""
        return (
            self.hole_psnr_db <= limits.hole_psnr_db
            and self.ssim <= limits.ssim
            and self.mask_iou >= limits.mask_iou
        )

    def worse(self, other: QualityDrop) -> QualityDrop:
        """Returns the worse of both drops in each value."""
        return QualityDrop(
            max(self.hole_psnr_db, other.hole_psnr_db),
            max(self.ssim, other.ssim),
            min(self.mask_iou, other.mask_iou),
            min(self.psnr_db, other.psnr_db),
        )


# What the documentation promises for int8.
LIMITS = QualityDrop(hole_psnr_db=0.2, ssim=0.002, mask_iou=0.99, psnr_db=0.0)


class Int8Evaluator:
    """Compares int8 files with a float file on some pairs.

    Args:
        model: The float ONNX file.
        pairs: Pairs in the graph's size.
    """

    def __init__(self, model: bytes, pairs: Pairs) -> None:
        self.pairs = pairs
        self.images, self.masks = _run(model, pairs.masked)
        self._fidelity = [self._compare(k, x) for k, x in enumerate(self.images)]

    def quality_drop(self, model: bytes) -> QualityDrop:
        """Returns the quality drop of an int8 ONNX file, on all pairs."""
        images, masks = _run(model, self.pairs.masked)
        found = [self._compare(k, x) for k, x in enumerate(images)]
        pairs = list(zip(self._fidelity, found, strict=True))
        overlap = [
            metrics.intersection_over_union(a[..., 0], b[..., 0], np.full_like(a[..., 0], 255))
            for a, b in zip(self.masks, masks, strict=True)
        ]
        return QualityDrop(
            hole_psnr_db=float(np.mean([a.hole_psnr - b.hole_psnr for a, b in pairs])),
            ssim=float(np.mean([a.ssim - b.ssim for a, b in pairs])),
            mask_iou=float(np.mean(overlap)),
            psnr_db=metrics.psnr(_mean_squared(self.images, images)),
        )

    def error(self, model: bytes, count: int) -> float:
        """Returns the mean squared error of a file's first `count` images to those of float.

        It is on the 0..1 scale. Errors of the mask show in the images too.
        """
        images, _ = _run(model, self.pairs.masked[:count])
        return _mean_squared(self.images[:count], images)

    def _compare(self, k: int, image: UInt8Array) -> metrics.Fidelity:
        pairs = self.pairs
        return metrics.compare(image, pairs.truth[k], pairs.mask[k], pairs.valid[k])


def _mean_squared(a: UInt8Array, b: UInt8Array) -> float:
    return float(np.mean(np.square(np.subtract(a, b, dtype=np.float32) / 255)))


def _run(model: bytes, images: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    session = open_session(model)
    (name,) = (node.name for node in session.get_inputs())
    # One at a time, as most callers do; the results do not depend on the batch size.
    results = [session.run(None, {name: images[k : k + 1]}) for k in range(len(images))]
    unmasked, masks = (np.concatenate(column) for column in zip(*results, strict=True))
    return unmasked, masks
