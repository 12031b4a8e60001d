"""Training batches from a crop cache, augmented on the device that uses them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask_sdk.core.arrays import AnyArray, BoolArray, Float64Array, Int64Array, UInt8Array

from .corpora import Mixture, even_mixture
from .crop_cache import CropCache
from .device_crops import DeviceCrops
from .draws import Draws


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch of samples.

    Attributes:
        masked: Images with masks, `[N, 3, S, S]` in -1..1.
        truth: The same images without masks, `[N, 3, S, S]` in -1..1.
        mask: Coverage of the masks, `[N, 1, S, S]` in 0..1.
        valid: 1 where the source image has data, else 0, `[N, 1, S, S]`.
        sharp: 1 where the face is of a sharp corpus and was not softened, else 0, `[N, 1, 1, 1]`.
    """

    masked: Tensor
    truth: Tensor
    mask: Tensor
    valid: Tensor
    sharp: Tensor


def _load(array: UInt8Array | Tensor, rows: Int64Array, device: torch.device) -> Tensor:
    if isinstance(array, Tensor):
        tensor = array[torch.from_numpy(rows).to(device)]
    else:
        tensor = torch.from_numpy(np.ascontiguousarray(array[rows])).to(device)
    if tensor.ndim == 3:
        return tensor[:, None].float() / 255
    # A permuted NHWC array is already channels_last.
    return tensor.permute(0, 3, 1, 2).float() / 127.5 - 1


def read_batch(
    cache: CropCache | DeviceCrops,
    rows: Int64Array,
    variant: int,
    device: torch.device,
    sharp: BoolArray | None = None,
) -> Batch:
    """Reads rows of a crop cache, with the masks of one variant, without augmentation.

    Args:
        cache: The crops; on `device`, if in a device's memory.
        rows: Which of them, `[N]`.
        variant: Which masks.
        device: Where the batch is put.
        sharp: Whether each of the rows is of a sharp corpus, `[N]`; all are if None.
    """
    is_sharp = np.ones(len(rows), bool) if sharp is None else sharp
    return Batch(
        _load(cache.masked[variant], rows, device),
        _load(cache.truth, rows, device),
        _load(cache.mask[variant], rows, device),
        (_load(cache.valid, rows, device) > 0.5).float(),
        torch.from_numpy(is_sharp.astype(np.float32)).to(device).view(-1, 1, 1, 1),
    )


def augment(batch: Batch, rng: np.random.Generator, empty_fraction: float | Float64Array) -> Batch:
    """Flips samples, changes light, color and sharpness, adds noise, and removes some masks.

    Light, color and sharpness change input and truth alike, and a few samples become gray; noise
    is added to the input alone, because the network must not generate noise. `rng` decides
    everything; as noise is drawn on the batch's device, it also depends on the kind of device.

    Args:
        batch: From `read_batch`.
        rng: Source of randomness.
        empty_fraction: Fraction of samples whose mask is removed, or for each sample how likely.
    """
    count = len(batch.truth)
    device = batch.truth.device

    def to_device(*values: AnyArray) -> list[Tensor]:
        return [
            torch.from_numpy(v.astype(np.float32)).to(device).view(count, -1, 1, 1) for v in values
        ]

    flip, empty, soft, noisy, gray = (
        to_device((rng.random(count) < fraction).astype(np.float32))[0]
        for fraction in (0.5, empty_fraction, 0.2, 0.4, 0.04)
    )
    gain, shift, level = to_device(
        rng.uniform(0.75, 1.25, (count, 1)) * rng.uniform(0.92, 1.08, (count, 3)),
        rng.uniform(-0.12, 0.12, count),
        rng.uniform(0.005, 0.06, count),
    )

    def change(x: Tensor, is_image: bool) -> Tensor:
        x = torch.where(flip > 0, x.flip(3), x)
        if not is_image:
            return x
        x = torch.where(gray > 0, x.mean(1, keepdim=True), x * gain) + shift
        half = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        return torch.where(soft > 0, half, x)

    truth = change(batch.truth, True)
    masked = change(batch.masked, True)
    mask = change(batch.mask, False)
    valid = change(batch.valid, False)
    masked = torch.where(empty > 0, truth, masked)
    mask = mask * (1 - empty)
    # Not the global generator: its state depends on what ran before.
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    noise = torch.empty_like(masked).normal_(generator=generator)
    masked = masked + noisy * level * noise
    return Batch(masked.clamp(-1, 1), truth.clamp(-1, 1), mask, valid, batch.sharp * (1 - soft))


class Batches:
    """An endless, resumable stream of augmented batches.

    The batch of a step depends on the seed and the step alone, so a resumed run sees the same
    batches as an uninterrupted one. While the cache is still being rendered, this holds as long as
    rendering is ahead; where it is behind, rows that are rendered stand in for those that are not
    (see `Draws`), and the batches depend on timing.

    Args:
        cache: The crops to draw from.
        batch: Images per batch.
        seed: For the order, the variants and the augmentation.
        empty_fraction: Fraction of samples without a mask.
        device: Where the batches are put and augmented.
        mixture: What the batches are mixed of; all rows of the cache, evenly, if None.
        bearded_empty_fraction: As `empty_fraction`, for faces that look bearded; no less than it.
    """

    def __init__(
        self,
        cache: CropCache | DeviceCrops,
        batch: int,
        seed: int,
        empty_fraction: float,
        device: torch.device,
        mixture: Mixture | None = None,
        bearded_empty_fraction: float = 0.0,
    ) -> None:
        self.cache = cache
        self.seed = seed
        self._empty_fractions = empty_fraction, max(empty_fraction, bearded_empty_fraction)
        self.device = device
        self.mixture = even_mixture(len(cache), batch) if mixture is None else mixture
        self.size = sum(self.mixture.counts)
        self._draws = Draws(self.mixture, seed)

    @property
    def empty_fraction(self) -> Float64Array:
        """How likely the mask of each row is removed, `[N]`."""
        return np.where(self.cache.bearded, self._empty_fractions[1], self._empty_fractions[0])

    def rows(self, step: int) -> Int64Array:
        """Returns the rows of the cache that a step's batch is made of, ascending."""
        # A copy: rendering goes on meanwhile.
        return self._draws.rows(step, self.cache.rendered.copy())

    def __getitem__(self, step: int) -> Batch:
        if isinstance(self.cache, DeviceCrops):
            self.cache.refresh()
        rows = self.rows(step)
        rng = np.random.default_rng((self.seed, step, 1))
        variant = int(rng.integers(len(self.cache.masked)))
        batch = read_batch(self.cache, rows, variant, self.device, self.mixture.sharp[rows])
        return augment(batch, rng, self.empty_fraction[rows])
