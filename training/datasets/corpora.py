"""Corpora: which faces of a set fill which share of each batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import BoolArray, Int64Array
from unmask_sdk.errors import ConfigError, DataError
from unmask_sdk.training.common.yaml_config import check_range
from unmask_sdk.training.synthesis.mesh import yaw_ratio

from .landmark_file import FaceRecord
from .selection import select_faces

TOLERANCE = 0.005  # of the sum of all shares: thirds may be written as 0.33


@dataclass(frozen=True)
class Corpus:
    """Some faces of a set, and the share of each batch that is drawn from them.

    A face may belong to several corpora; it is then drawn for each.

    Attributes:
        share: Fraction of each batch; the shares of all corpora add up to 1.
        prefix: How the names of its faces begin, such as `lfw/`; empty for all faces.
        min_yaw: Smallest yaw to either side, 0 to 1 (see `mesh.yaw_ratio`).
        per_person: Maximum number of images of one person; None for no limit.
        limit: Maximum number of faces, evenly thinned; None for no limit.
        sharp: Whether its faces show the discriminator what is real, whichever corpus they are
            drawn for: pictures that are as sharp as the crops.
    """

    share: float
    prefix: str = ""
    min_yaw: float = 0.0
    per_person: int | None = None
    limit: int | None = None
    sharp: bool = False

    def __post_init__(self) -> None:
        check_range(self, "share min_yaw", 0, 1)
        check_range(self, "per_person limit", 1)

    def choose(self, faces: list[FaceRecord]) -> list[FaceRecord]:
        """Returns its faces of the split `train`, in their order."""
        own = [
            face
            for face in faces
            if face.name.startswith(self.prefix)
            and (not self.min_yaw or abs(yaw_ratio(face.landmarks)) >= self.min_yaw)
        ]
        return select_faces(own, split="train", per_person=self.per_person, limit=self.limit)


def faces_per_batch(corpora: tuple[Corpus, ...], batch: int) -> list[int]:
    """Returns how many faces of a batch are drawn from each corpus; they add up to the batch.

    Raises:
        ConfigError: If the shares do not add up to 1, or one gets no face.
    """
    total = math.fsum(corpus.share for corpus in corpora)
    if abs(total - 1) > TOLERANCE:
        raise ConfigError(f"the shares of all corpora must add up to 1; they add up to {total:.4g}")
    exact = np.array([corpus.share for corpus in corpora]) / total * batch
    counts = np.floor(exact).astype(int)
    # Those that lose most by rounding down get the faces that are left.
    counts[np.argsort(counts - exact, kind="stable")[: batch - counts.sum()]] += 1
    for corpus, count in zip(corpora, counts, strict=True):
        if not count:
            raise ConfigError(
                f"share {corpus.share} of corpus {corpus.prefix!r} is no whole face of a batch of "
                f"{batch}; make the share or the batch larger, or remove the corpus"
            )
    return [int(count) for count in counts]


def choose_faces(faces: list[FaceRecord], corpora: tuple[Corpus, ...]) -> list[FaceRecord]:
    """Returns the training faces that are in any of the corpora, in their order.

    Raises:
        DataError: If a corpus has no face.
    """
    names: set[str] = set()
    for corpus in corpora:
        own = corpus.choose(faces)
        if not own:
            raise DataError(
                f"no training face belongs to the corpus with prefix {corpus.prefix!r} and "
                f"min_yaw {corpus.min_yaw}; change the entry, or remove it from corpora"
            )
        names.update(face.name for face in own)
    return [face for face in faces if face.name in names]


@dataclass(frozen=True, eq=False)
class Mixture:
    """What the batches from one crop cache are mixed of.

    Attributes:
        rows: For each corpus, the rows of the crop cache that it is drawn from.
        counts: How many rows of a batch are drawn from each.
        sharp: Whether the face of each row of the cache is of a sharp corpus, `[N]`.
    """

    rows: tuple[Int64Array, ...]
    counts: tuple[int, ...]
    sharp: BoolArray


def even_mixture(faces: int, batch: int) -> Mixture:
    """Returns the mixture that draws all rows of a crop cache evenly; all count as sharp.

    Args:
        faces: Rows of the cache.
        batch: Faces in a batch; no more than there are.
    """
    return Mixture((np.arange(faces),), (min(batch, faces),), np.ones(faces, bool))


def mix(
    faces: list[FaceRecord], names: list[str], corpora: tuple[Corpus, ...], batch: int
) -> Mixture:
    """Returns how the batches from a crop cache are mixed.

    If no corpus is sharp, all faces count as sharp.

    Args:
        faces: The set.
        names: Names of the faces in the crop cache, one per row.
        corpora: What the batches are made of; if empty, all faces are drawn evenly.
        batch: Faces in a batch.

    Raises:
        ConfigError: If the shares are not possible.
        DataError: If a corpus has no face in the cache.
    """
    if not corpora:
        return even_mixture(len(names), batch)
    counts = faces_per_batch(corpora, batch)
    rows = []
    sharp: set[str] = set()
    for corpus in corpora:
        own = {face.name for face in corpus.choose(faces)}
        rows.append(np.flatnonzero([name in own for name in names]))
        if not len(rows[-1]):
            raise DataError(
                f"no training face of the corpus with prefix {corpus.prefix!r} and min_yaw "
                f"{corpus.min_yaw} is left; raise limit and per_person, or change the entry"
            )
        if corpus.sharp or not any(other.sharp for other in corpora):
            sharp |= own
    return Mixture(tuple(rows), tuple(counts), np.array([name in sharp for name in names]))
