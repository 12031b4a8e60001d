"""KID: how far the lower faces that a network invents are from real ones, as a distribution.

After Binkowski et al., *Demystifying MMD GANs* (2018): the squared maximum mean discrepancy of the
features of two sets, with the kernel `(x.y / d + 1)^3`; times 1000 here. The features are those of
EfficientNet-Lite0 (`efficientnet.py`) and not of Inception, and they see the lower face alone. It
is about 0, and as often below as above, for two sets of the same kind. Unlike PSNR it does not
reward blur.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from unmask_sdk.core.arrays import Float64Array, UInt8Array

from .efficientnet import load_efficientnet, normalize

# The lower face in a crop of 256 px: rows, and columns.
ROWS, COLUMNS = (96, 240), (56, 200)
CROP = 256
# Side of the network's input, and length of its pooled last features.
INPUT = 224
FEATURES = 1280
# A CPU core takes 29 ms a face one by one, and 51 ms in batches of 16, which leave its cache.
_BATCH = {"cpu": 1}
_LARGE_BATCH = 64
_BOOTSTRAPS = 1000
_SPLITS = 200


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % interval.

    Attributes:
        value: The value itself.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, samples: Float64Array) -> Estimate:
        """Returns an estimate whose interval holds the middle 95 % of some samples."""
        low, high = np.percentile(samples, [2.5, 97.5])
        return cls(float(value), float(low), float(high))


def lower_face(crop: UInt8Array) -> UInt8Array:
    """Cuts the lower face out of a crop, enlarged to the network's input.

    Args:
        crop: uint8 `[S, S, 3]` RGB; the region scales with S.

    Returns:
        uint8 `[224, 224, 3]`.
    """
    scale = len(crop) / CROP
    (top, bottom), (left, right) = (
        [round(scale * edge) for edge in edges] for edges in (ROWS, COLUMNS)
    )
    region = crop[top:bottom, left:right]
    return np.asarray(cv2.resize(region, (INPUT, INPUT), interpolation=cv2.INTER_LINEAR), np.uint8)


class FaceFeatures:
    """Computes the features of lower faces that KID compares.

    Args:
        device: Where the network runs.

    Raises:
        MissingDependencyError: If EfficientNet-Lite0 is not installed.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = load_efficientnet("KID", device)
        self._device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, crops: Iterable[UInt8Array]) -> Float64Array:
        """Returns the features `[N, 1280]` of crops, uint8 `[S, S, 3]` RGB each."""
        faces = [lower_face(crop) for crop in crops]
        found = [np.zeros((0, FEATURES))]
        batch = _BATCH.get(self._device.type, _LARGE_BATCH)
        for start in range(0, len(faces), batch):
            images = torch.from_numpy(np.stack(faces[start : start + batch])).to(self._device)
            maps = self._network.extract_features(normalize(images.permute(0, 3, 1, 2)))
            found.append(maps.mean((2, 3)).cpu().numpy().astype(np.float64))
        return np.concatenate(found)


def kernel(a: Float64Array, b: Float64Array) -> Float64Array:
    """Returns the kernel of every pair, `[M, N]`, of features `[M, D]` and `[N, D]`."""
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def kid(a: Float64Array, b: Float64Array) -> float:
    """Returns KID x1000 of two sets of features, `[M, D]` and `[N, D]`, of two faces at least."""
    m, n = len(a), len(b)
    own_a, own_b = kernel(a, a), kernel(b, b)
    within_a = (own_a.sum() - np.trace(own_a)) / (m * (m - 1))
    within_b = (own_b.sum() - np.trace(own_b)) / (n * (n - 1))
    return float(1000 * (within_a + within_b - 2 * kernel(a, b).mean()))


def draw_weights(faces: int, seed: int = 0) -> Float64Array:
    """Draws bootstrap samples of faces: how often each is in a sample, `[1000, faces]`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(faces, np.full(faces, 1 / faces), _BOOTSTRAPS).astype(np.float64)


def _mean_of_pairs(pairs: Float64Array, weights: Float64Array) -> Float64Array:
    """Returns the mean of `[N, N]` over pairs of different faces, for weights `[B, N]`: `[B]`.

    A face that is drawn twice makes no pair with itself, which would be more alike than any two.
    """
    squares = weights**2
    total = ((weights @ pairs) * weights).sum(1) - squares @ np.diag(pairs)
    return np.asarray(total / (weights.sum(1) ** 2 - squares.sum(1)))


def kid_of_results(results: Float64Array, truth: Float64Array) -> Estimate:
    """Returns KID x1000 of results and the truth of the same faces, with a bootstrap interval.

    The estimate of Gretton et al., *A Kernel Two-Sample Test* (2012), lemma 6: unlike `kid`, it
    leaves out the pairs of a result with its own truth, which are more alike than others. So it is
    without bias for any number of faces, and groups of different sizes compare. Faces are drawn
    again, not single results.

    Args:
        results: Features `[N, K, D]`: K results, one of each mask type, of each of N faces.
        truth: Features `[N, D]`; two faces at least.
    """
    n, k, d = results.shape
    flat = results.reshape(n * k, d)
    within = kernel(flat, flat).reshape(n, k, n, k).mean((1, 3))
    across = kernel(flat, truth).reshape(n, k, n).mean(1)
    pairs = 1000 * (within + kernel(truth, truth) - across - across.T)
    value = _mean_of_pairs(pairs, np.ones((1, n)))[0]
    return Estimate.of(value, _mean_of_pairs(pairs, draw_weights(n)))


def kid_of_strangers(a: Float64Array, b: Float64Array) -> Estimate:
    """Returns KID x1000 of two sets of different people, with a bootstrap interval.

    Args:
        a: Features `[M, D]`, of two faces at least.
        b: Features `[N, D]`, of two faces at least.
    """
    weights_a, weights_b = draw_weights(len(a)), draw_weights(len(b), seed=1)
    across = ((weights_a @ kernel(a, b)) * weights_b).sum(1) / (len(a) * len(b))
    within = _mean_of_pairs(kernel(a, a), weights_a) + _mean_of_pairs(kernel(b, b), weights_b)
    return Estimate.of(kid(a, b), 1000 * (within - 2 * across))


def kid_floor(truth: Float64Array) -> Estimate:
    """Returns KID x1000 of one half of real faces and the other, over random halves.

    The interval is how much chance alone moves KID between two sets of this size of different
    people; that of results and their own truth moves less.

    Args:
        truth: Features `[N, D]`; four faces at least.
    """
    n, half = len(truth), len(truth) // 2
    rng = np.random.default_rng(0)
    one = np.array([rng.permutation(n) < half for _ in range(_SPLITS)], np.float64)
    other = 1 - one
    pairs = kernel(truth, truth)
    within = _mean_of_pairs(pairs, one) + _mean_of_pairs(pairs, other)
    across = ((one @ pairs) * other).sum(1) / (half * (n - half))
    values = 1000 * (within - 2 * across)
    return Estimate.of(values.mean(), values)
