"""Collects, face by face, the features that KID compares: of results, truth, and blurred truth."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array

from .kid import CROP, FaceFeatures

# KID of the truth, blurred in the hole by a Gaussian of these standard deviations in pixels of a
# 256 px crop, is the scale on which the KID of a network is read.
BLURS = (1, 2, 4)


def blur_in_hole(truth: UInt8Array, mask: UInt8Array, sigma: float) -> UInt8Array:
    """Returns a crop that is blurred where it would be masked.

    Args:
        truth: uint8 `[S, S, 3]` RGB.
        mask: uint8 `[S, S]`.
        sigma: Standard deviation of the Gaussian, in pixels of a 256 px crop.
    """
    blurred = cv2.GaussianBlur(truth, (0, 0), sigma * len(truth) / CROP).astype(np.float64)
    weight = mask[..., None] / 255
    return np.asarray(np.round(truth + weight * (blurred - truth)), np.uint8)


class RealismFeatures:
    """The features of all evaluated faces.

    Args:
        network: Computes them.
    """

    def __init__(self, network: FaceFeatures) -> None:
        self._network = network
        self._truth: list[Float64Array] = []
        self._blurred: dict[int, list[Float64Array]] = {sigma: [] for sigma in BLURS}
        self._results: dict[str, list[Float64Array]] = {}

    def add_truth(self, truth: UInt8Array, mask: UInt8Array) -> None:
        """Adds the next face, uint8 `[S, S, 3]`, and its blurred versions, by one of its masks."""
        self._truth.append(self._network([truth]))
        for sigma, found in self._blurred.items():
            found.append(self._network([blur_in_hole(truth, mask, sigma)]))

    def add_result(self, method: str, image: UInt8Array) -> None:
        """Adds a method's next result, uint8 `[S, S, 3]`."""
        self._results.setdefault(method, []).append(self._network([image]))

    @property
    def truth(self) -> Float64Array:
        """Features of the faces, `[N, 1280]`."""
        return np.concatenate(self._truth)

    def blurred(self, sigma: int) -> Float64Array:
        """Returns the features of the faces blurred by one of `BLURS`, `[N, 1, 1280]`."""
        return np.concatenate(self._blurred[sigma])[:, None]

    def results(self, method: str) -> Float64Array:
        """Returns the features of a method's results, K for each face, `[N, K, 1280]`."""
        found = np.concatenate(self._results[method])
        return found.reshape(len(self._truth), -1, found.shape[1])
