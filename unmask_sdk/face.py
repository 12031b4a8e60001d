"""One face of a photo or frame, as it was and as it became."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .core.arrays import Float64Array, UInt8Array
from .imaging.notebook import notebook_png


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """One face of a photo.

    Attributes:
        box: (x0, y0, x1, y1) in the photo's pixels, forehead to chin; may extend beyond the photo.
        eyes: float64 `[2, 2]`, (x, y) of the eye centers in the photo's pixels, the left one in
            the image first.
        confidence: 0..1, the locator's confidence; 1 for eyes that the caller gave.
        masked: Whether a mask was found and removed. If not, the photo is unchanged here.
        mask: uint8 `[S, S]`, in the crop: 128 to 255 is mask, 1 to 127 the seam around it, where
            the generated image fades out, 0 is unchanged; all 0 if not masked.
            S is the network's input size, 256.
        crop: uint8 `[S, S, 3]` RGB, the aligned face without its mask.
        original: uint8 `[S, S, 3]` RGB, the aligned face before.
        matrix: float64 `[2, 3]`, affine transform from the photo's pixels to the crop's.
        track: In a video or stream the number of the face, the same in every frame; None in a
            photo.
    """

    box: tuple[float, float, float, float]
    eyes: Float64Array
    confidence: float
    masked: bool
    mask: UInt8Array
    crop: UInt8Array
    original: UInt8Array
    matrix: Float64Array
    track: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the pixels as plain data that `json.dumps` takes."""
        return {
            "box": [float(value) for value in self.box],
            "eyes": self.eyes.tolist(),
            "confidence": float(self.confidence),
            "masked": bool(self.masked),
            "matrix": self.matrix.tolist(),
            "track": self.track,
        }

    def _repr_png_(self) -> bytes:
        """Returns what a notebook shows: the crop before and after."""
        return notebook_png(np.hstack([self.original, self.crop]))

    def __repr__(self) -> str:
        box = ", ".join(f"{v:.0f}" for v in self.box)
        state = "mask removed" if self.masked else "no mask"
        return f"Face(({box}), {state}, confidence {self.confidence:.2f})"
