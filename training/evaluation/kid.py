"""KID: how far the lower faces that a network invents are from real ones, as a distribution.

After Binkowski et al., *Demystifying MMD GANs* (2018): the squared maximum mean discrepancy of the
features of two sets, with the kernel `(x.y / d + 1)^3`; times 1000 here. The features are those of
EfficientNet-Lite0 (`efficientnet.py`) and not of Inception, and they see the lower face alone. It
is 0 for two sets of the same kind, and slightly negative as often as positive. Unlike PSNR it does
not reward blur.
"""

from __future__ import annotations

from collections.abc import Iterable

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
