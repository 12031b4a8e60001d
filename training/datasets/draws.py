"""Which rows of a crop cache the batch of each step is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import BoolArray, Int64Array

from .corpora import Mixture


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws rows: of each corpus its share, each row once before any is drawn again.

    Attributes:
        mixture: What the batches are mixed of.
        seed: Decides the order.
    """

    mixture: Mixture
    seed: int

    def rows(self, step: int, rendered: BoolArray) -> Int64Array:
        """Returns the rows of a step's batch, ascending.

        Rows that are not rendered yet are replaced by others of their corpus. Where all are, the
        seed and the step alone decide.

        Args:
            step: Which batch.
            rendered: Which rows may be drawn, `[N]`; at least one of each corpus.
        """
        drawn = []
        for part, (own, count) in enumerate(
            zip(self.mixture.rows, self.mixture.counts, strict=True)
        ):
            per_epoch = _batches_per_epoch(own, count)
            epoch, position = divmod(step, per_epoch)
            order = self._order(own, epoch, part)
            # Fewer rows than are drawn at once are repeated: all batches must be of one size.
            rows = np.resize(order[position * count : (position + 1) * count], count)
            missing = ~rendered[rows]
            if missing.any():
                rng = np.random.default_rng((self.seed, step, 4, 1 + part))
                rows[missing] = _replacements(rows, own[rendered[own]], int(missing.sum()), rng)
            drawn.append(rows)
        return np.sort(np.concatenate(drawn))

    def first_use(self, step: int) -> Int64Array:
        """Returns all rows in the order in which the batches from a step on first draw them.

        Rendered in this order, a cache has what the next batch is made of as early as it can.
        """
        first = np.full(len(self.mixture.sharp), np.iinfo(np.int64).max)
        for part, (own, count) in enumerate(
            zip(self.mixture.rows, self.mixture.counts, strict=True)
        ):
            per_epoch = _batches_per_epoch(own, count)
            steps = np.repeat(np.arange(per_epoch), count)
            epoch = step // per_epoch
            # What an epoch leaves over may be drawn in the next one, or it is rendered last.
            for later in (epoch, epoch + 1):
                rows = np.resize(self._order(own, later, part)[: len(steps)], len(steps))
                at = later * per_epoch + steps
                np.minimum.at(first, rows[at >= step], at[at >= step])
        return np.argsort(first, kind="stable")

    def _order(self, rows: Int64Array, epoch: int, part: int) -> Int64Array:
        salt = (2 + part,) if part else ()
        permutation = np.random.default_rng((self.seed, epoch, *salt)).permutation(len(rows))
        order: Int64Array = rows[permutation]
        return order


def _batches_per_epoch(rows: Int64Array, count: int) -> int:
    return max(1, len(rows) // count)


def _replacements(
    drawn: Int64Array, rendered: Int64Array, count: int, rng: np.random.Generator
) -> Int64Array:
    """Returns rendered rows of a corpus, such as are not in the batch already if there are enough.

    Args:
        drawn: The corpus' part of the batch.
        rendered: The rows of the corpus that are rendered.
        count: How many are needed.
        rng: Source of randomness.
    """
    others = np.setdiff1d(rendered, drawn)
    pool = others if len(others) >= count else rendered
    return rng.choice(pool, count, replace=len(pool) < count)
