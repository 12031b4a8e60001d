"""Batches from a pack, augmented on the device they are used on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .crop_cache import CropCache


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures `[N, 3, S, S]` in -1..1; `mask` and `valid` `[N, 1, S, S]` in 0..1."""

    masked: Tensor
    truth: Tensor
    mask: Tensor
    valid: Tensor


def _load(array: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array[rows])).to(device)
    if tensor.ndim == 3:
        return tensor[:, None].float() / 255
    # A permuted NHWC array is already channels_last.
    return tensor.permute(0, 3, 1, 2).float() / 127.5 - 1


def read_batch(pack: CropCache, rows: np.ndarray, variant: int, device: torch.device) -> Batch:
    """Reads rows of a pack without augmentation."""
    return Batch(
        _load(pack.masked[variant], rows, device),
        _load(pack.truth, rows, device),
        _load(pack.mask[variant], rows, device),
        (_load(pack.valid, rows, device) > 0.5).float(),
    )


def augment(batch: Batch, rng: np.random.Generator, empty_share: float) -> Batch:
    """Flips, changes light and colour, softens, adds noise; takes the mask off a share of samples.

    Light, colour and softness change input and truth alike, and a few lose all colour; noise is on
    the input alone, since nobody wants it painted into the hole. All of it is decided by `rng`
    (and, since noise is drawn on the batch's device, by the kind of device).
    """
    count = len(batch.truth)
    device = batch.truth.device

    def draw(*values: np.ndarray) -> list[Tensor]:
        return [
            torch.from_numpy(v.astype(np.float32)).to(device).view(count, -1, 1, 1) for v in values
        ]

    flip, empty, soft, noisy, grey = (
        draw((rng.random(count) < share).astype(np.float32))[0]
        for share in (0.5, empty_share, 0.2, 0.4, 0.04)
    )
    gain, shift, level = draw(
        rng.uniform(0.75, 1.25, (count, 1)) * rng.uniform(0.92, 1.08, (count, 3)),
        rng.uniform(-0.12, 0.12, count),
        rng.uniform(0.005, 0.06, count),
    )

    def change(x: Tensor, colour: bool) -> Tensor:
        x = torch.where(flip > 0, x.flip(3), x)
        if not colour:
            return x
        x = torch.where(grey > 0, x.mean(1, keepdim=True), x * gain) + shift
        half = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        return torch.where(soft > 0, half, x)

    truth = change(batch.truth, True)
    masked = change(batch.masked, True)
    mask = change(batch.mask, False)
    valid = change(batch.valid, False)
    masked = torch.where(empty > 0, truth, masked)
    mask = mask * (1 - empty)
    # Not the global generator: how far that is depends on what ran before.
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    noise = torch.empty_like(masked).normal_(generator=generator)
    masked = masked + noisy * level * noise
    return Batch(masked.clamp(-1, 1), truth.clamp(-1, 1), mask, valid)


class Batches:
    """An endless, resumable stream of augmented batches.

    The batch of a step depends on the seed and the step alone, so a resumed run sees what the
    uninterrupted one would have seen.

    Args:
        pack: What to draw from.
        batch: Pictures a batch.
        seed: For the order, the variants and the augmentation.
        empty_share: Share of samples without a mask.
        device: Where the batches are put, and augmented.
        oversampled_rows: Rows of the pack that come more often than the others.
        oversampled_fraction: Fraction of each batch that is drawn from these rows alone.
    """

    def __init__(
        self,
        pack: CropCache,
        batch: int,
        seed: int,
        empty_share: float,
        device: torch.device,
        *,
        oversampled_rows: np.ndarray | None = None,
        oversampled_fraction: float = 0.0,
    ) -> None:
        self.pack = pack
        self.size = min(batch, len(pack))
        self.seed = seed
        self.empty_share = empty_share
        self.device = device
        self.all_rows = np.arange(len(pack))
        self.oversampled_rows = self.all_rows if oversampled_rows is None else oversampled_rows
        self.n_oversampled = min(
            round(oversampled_fraction * self.size), len(self.oversampled_rows)
        )

    def _draw(self, rows: np.ndarray, count: int, step: int, *salt: int) -> np.ndarray:
        """The step's share of the rows: all of them come once before any comes again."""
        per_epoch = max(1, len(rows) // max(1, count))
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((self.seed, epoch, *salt)).permutation(len(rows))
        return rows[order[place * count : (place + 1) * count]]

    def rows(self, step: int) -> np.ndarray:
        """The rows of the pack that a step's batch is made of, ascending."""
        drawn = [
            self._draw(self.all_rows, self.size - self.n_oversampled, step),
            self._draw(self.oversampled_rows, self.n_oversampled, step, 3),
        ]
        return np.sort(np.concatenate(drawn))

    def __getitem__(self, step: int) -> Batch:
        rows = self.rows(step)
        rng = np.random.default_rng((self.seed, step, 1))
        variant = int(rng.integers(len(self.pack.masked)))
        return augment(read_batch(self.pack, rows, variant, self.device), rng, self.empty_share)
