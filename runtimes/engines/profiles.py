"""Input sizes that engines are built for, as data: smallest, best and largest."""

from __future__ import annotations

from dataclasses import dataclass

from unmask_sdk.core.locator_sizes import BORDER, COARSE_SIDE, MAX_SIDE, STRIDE
from unmask_sdk.core.manifest import TensorSpec

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """Smallest, best and largest sizes for one role.

    Attributes:
        batch: Images in a batch.
        side: Height and width in pixels, where the graph leaves them open.
    """

    batch: tuple[int, int, int]
    side: tuple[int, int, int]

    def shapes(self, spec: TensorSpec) -> tuple[Shape, Shape, Shape]:
        """Returns the smallest, the best and the largest shape of an input."""
        small, best, large = (
            tuple(
                size if size is not None else (batch if axis == 0 else side)
                for axis, size in enumerate(spec.shape)
            )
            for batch, side in zip(self.batch, self.side, strict=True)
        )
        return small, best, large


_PHOTO = (STRIDE, COARSE_SIDE + 2 * BORDER, MAX_SIDE + 2 * BORDER)

PROFILES: dict[str, Profile] = {
    # Most photos hold one face; a batch of 8 fills a small GPU.
    "unmasker": Profile(batch=(1, 1, 8), side=(256, 256, 256)),
    "detector": Profile(batch=(1, 1, 1), side=_PHOTO),
    "aligner": Profile(batch=(1, 1, 16), side=(112, 112, 112)),
}
