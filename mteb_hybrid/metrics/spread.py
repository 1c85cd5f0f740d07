"""How far apart the relevant passages of a question stand in the pooled ranking, and whether all are near the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.metrics.per_query import PerQuery, reasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.metrics.ranks import QueryRanks

TOO_FEW = "fewer than two relevant passages"


def rank_distance(ranks: QueryRanks, cutoff: int | NDArray[np.int64] | None = None) -> PerQuery:
    """Rank of the lowest relevant passage minus rank of the highest one; lower is better.

    arXiv 2408.10536, section 4.1 and footnote 6, after Huang et al. (SIGIR 2023). For m relevant passages in a pool of
    N a perfect ranking has m - 1, a random one (m - 1)(N + 1) / (m + 1) in the mean, the worst N - 1. All of them
    together at the bottom score well too: never show it without MAP. Undefined for fewer than two relevant passages.

    Args:
        ranks: Ranks over the whole pool.
        cutoff: For rankings that are known to this depth only: ranks beyond it count as ``cutoff + 1``, and the result
            is a lower bound of the distance. One for all queries, or int64, shape (queries,).

    Returns:
        Values in [m - 1, N - 1]; with a cut-off in [0, cutoff].
    """
    defined, first, last = _ends(ranks)
    rank = ranks.rank
    if cutoff is not None:
        rank = np.minimum(rank, np.broadcast_to(cutoff, (ranks.queries,))[ranks.query] + 1)
    distance = np.zeros(ranks.queries)
    distance[defined] = rank[last[defined]] - rank[first[defined]]
    return PerQuery.where(defined, distance, TOO_FEW)


def rank_distance_normalized(ranks: QueryRanks) -> PerQuery:
    """Rank distance between the best possible value and the worst: (distance - (m - 1)) / (N - m); lower is better.

    A definition of this project, so that pools of different sizes and questions with different numbers m of relevant
    passages compare. Undefined for fewer than two relevant passages, and where the whole pool of N is relevant.

    Returns:
        Values in [0, 1].
    """
    distance = rank_distance(ranks)
    counts = ranks.counts()[distance.query]
    room = ranks.pool_size - counts
    free = room > 0
    left_out = distance.left_out | reasons({"the whole pool is relevant": np.count_nonzero(~free)})
    value = (distance.value[free] - (counts[free] - 1)) / room[free]
    return PerQuery(distance.query[free], value, left_out)


def complete_at_k(ranks: QueryRanks, k: int) -> PerQuery:
    """1 where all relevant passages are among the first k, else 0; higher is better.

    The idea is that of arXiv 2604.05684. Undefined for fewer than two relevant passages and for more than k.

    Returns:
        Values 0 or 1.
    """
    several, _, last = _ends(ranks)
    counts = ranks.counts()
    possible = several & (counts <= k)
    left_out = {
        TOO_FEW: np.count_nonzero(~several),
        f"more than {k} relevant passages": np.count_nonzero(several & ~possible),
    }
    complete = ranks.rank[last[possible]] <= k
    return PerQuery(np.flatnonzero(possible).astype(np.int64), complete.astype(np.float64), reasons(left_out))


def _ends(ranks: QueryRanks) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Whether a query has two relevant passages, and the positions of its first and last pair; shape (queries,)."""
    counts = ranks.counts()
    last = counts.cumsum() - 1
    return counts >= 2, last - counts + 1, last
