"""What counting passages gives, and how the counts of the parts of a pool add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """What `mteb_hybrid.ranking.RankCounter` counted, of a whole pool or of a part of it.

    Attributes:
        above: int64, shape (relevant pairs, segments): passages of each segment that stand above each relevant one.
        top_order: int64, shape (queries, k): tie-break positions of the best k passages, best first; -1 where the pool
            has fewer than k.
        top_scores: float64, shape (queries, k): their scores; -inf where the pool has fewer than k.
    """

    above: NDArray[np.int64]
    top_order: NDArray[np.int64]
    top_scores: NDArray[np.float64]

    def ranks(self) -> NDArray[np.int64]:
        """Rank of each relevant pair over all segments, int64 in [1, pool size], shape (relevant pairs,)."""
        ranks: NDArray[np.int64] = 1 + self.above.sum(axis=1)
        return ranks

    def select(self, queries: slice, pairs: slice) -> Ranking:
        """The part that concerns some of the queries and their pairs."""
        return Ranking(self.above[pairs], self.top_order[queries], self.top_scores[queries])


def add_rankings(one: Ranking, other: Ranking) -> Ranking:
    """The ranking of two parts of a pool, whose passages are disjoint, in the same segments.

    Counts add, and the best of both are the best of all: the result is the same in whatever order parts are added.
    """
    order = np.concatenate([one.top_order, other.top_order], axis=1)
    scores = np.concatenate([one.top_scores, other.top_scores], axis=1)
    top_order, top_scores = _best(order, scores, one.top_order.shape[1])
    return Ranking(one.above + other.above, top_order, top_scores)


def merge_rankings(parts: Sequence[Ranking]) -> Ranking:
    """The ranking of a pool from those of its parts, whose passages are disjoint: each part becomes a segment.

    The result depends neither on the order of the parts (but for the order of segments) nor on where they were cut.

    Args:
        parts: At least one; of the same pairs and queries.

    Returns:
        Counts side by side as segments; the best k of all parts by score, ties by tie-break position.
    """
    k = max(part.top_order.shape[1] for part in parts)
    order = np.concatenate([part.top_order for part in parts], axis=1)
    scores = np.concatenate([part.top_scores for part in parts], axis=1)
    top_order, top_scores = _best(order, scores, k)
    return Ranking(np.concatenate([part.above for part in parts], axis=1), top_order, top_scores)


def _best(
    order: NDArray[np.int64], scores: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best k of each row by score, ties by tie-break position: positions and scores, shape (queries, k)."""
    # a stable sort goes through lists that are sorted already in a fifth of the time; it leaves ties as they stand,
    # which does not matter where there is no passage
    best = (-scores).argsort(stable=True)
    found = np.take_along_axis(scores, best[:, : k + 1], axis=1)
    tied = np.flatnonzero(((found[:, 1:] == found[:, :-1]) & np.isfinite(found[:, 1:])).any(axis=1))
    best[tied] = np.lexsort((order[tied], -scores[tied]))
    return np.take_along_axis(order, best[:, :k], axis=1), found[:, :k]
