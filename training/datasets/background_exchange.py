"""Which faces of a crop cache get another background, and from which images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import ConfigError
from unmask_sdk.training.synthesis.backgrounds import exchange_background
from unmask_sdk.training.synthesis.cut_out import HOW_TO_GET, PersonCutter

from .crops import seed_from_name
from .image_files import read_image
from .landmark_file import FaceRecord
from .selection import subsample

# So many images are enough to draw blurred backgrounds from.
MAX_OTHERS = 500
_SALT = 900  # apart from those of the masks


@lru_cache(maxsize=1)
def _cutter(model: Path) -> PersonCutter:
    """Opens the model once in each process that renders."""
    return PersonCutter(model)


@dataclass(frozen=True)
class BackgroundExchange:
    """Exchanges the background behind some faces; which, depends on their names alone.

    Attributes:
        folder: The folder that the faces' names are relative to.
        share: Fraction of the faces that are tried. Those that cannot be cut out well keep their
            background.
        model: MediaPipe's `selfie_segmentation.tflite`.
        others: Names of the images that blurred backgrounds are made of.
    """

    folder: Path
    share: float
    model: Path
    others: tuple[str, ...]

    @classmethod
    def plan(
        cls, folder: Path, share: float, model: Path | None, faces: list[FaceRecord]
    ) -> BackgroundExchange | None:
        """Returns the exchange for the faces of a crop cache; `None` if `share` is 0.

        Raises:
            ConfigError: If no model is given.
            DataError: If the model is missing, damaged or another one.
            MissingDependencyError: If LiteRT is not installed.
        """
        if not share:
            return None
        if model is None:
            raise ConfigError(
                f"background_share is {share} but there is no selfie segmentation model; set it to "
                f"0, or pass selfie_model. Get the model with: {HOW_TO_GET}"
            )
        _cutter(model)
        others = tuple(face.name for face in subsample(faces, MAX_OTHERS))
        return cls(folder, share, model, others)

    def apply(self, face: FaceRecord, image: UInt8Array) -> UInt8Array:
        """Returns a face's image, with another background if it is its turn.

        Args:
            face: Whose image it is.
            image: uint8 `[H, W, 3]` RGB.
        """
        seed = seed_from_name(face.name, _SALT)
        rng = np.random.default_rng(seed)
        if rng.random() >= self.share:
            return image
        cut = _cutter(self.model)(image, face.landmarks)
        if cut is None:
            return image
        other = read_image(self.folder / self.others[rng.integers(len(self.others))])
        return exchange_background(image, cut, other, seed)
