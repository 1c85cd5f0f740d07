"""Language bias of a pooled ranking: does the language of a right answer decide where it stands?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.metrics.ranks import QueryRanks


def rank_distance(ranks: QueryRanks, cutoff: int | None = None) -> NDArray[np.float64]:
    """Rank of the lowest relevant passage minus rank of the highest one, per query; lower is better.

    arXiv 2408.10536, section 4.1 and footnote 6, after Huang et al. (SIGIR 2023). A perfect ranking with m relevant
    passages has m - 1, the worst is pool size - 1. All of them together at the bottom score well too: never show it
    without MAP. Queries with fewer than two relevant passages are left out, for them it is undefined.

    Args:
        ranks: Ranks over the whole pool.
        cutoff: For rankings that are known to this depth only: ranks beyond it count as ``cutoff + 1``, and the result
            is a lower bound of the distance.

    Returns:
        float64 in [m - 1, pool size - 1], shape (queries with at least two relevant passages,).
    """
    counts = ranks.counts()
    last = counts.cumsum() - 1
    defined = counts >= 2
    rank = ranks.rank if cutoff is None else np.minimum(ranks.rank, cutoff + 1)
    lowest, highest = rank[last[defined]], rank[(last - counts + 1)[defined]]
    distance: NDArray[np.float64] = (lowest - highest).astype(np.float64)
    return distance


def mean_rank_by_language(
    rank: NDArray[np.int64], language: NDArray[np.int64], languages: Sequence[str]
) -> dict[str, float]:
    """Mean rank of the relevant passages of each language; a lower one is a favoured language.

    Args:
        rank: int64, shape (pairs,): rank of each relevant passage.
        language: int64, shape (pairs,): its language, as a position in ``languages``.
        languages: Names of the languages.

    Returns:
        Language to mean rank, in [1, pool size]; a language without relevant passages is absent.
    """
    counts = np.bincount(language, minlength=len(languages))
    sums = np.bincount(language, weights=rank, minlength=len(languages))
    return {name: float(sums[i] / counts[i]) for i, name in enumerate(languages) if counts[i]}
