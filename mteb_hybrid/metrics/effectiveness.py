"""MAP, nDCG, recall, precision, MRR and hit rate from ranks, as trec_eval defines them, under MTEB's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.metrics.ranks import QueryRanks

CUTOFFS = (1, 3, 5, 10, 20, 100, 1000)


def effectiveness(ranks: QueryRanks, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, NDArray[np.float64]]:
    """Scores per query; queries without relevant passages are left out.

    ``map`` and ``mrr`` are over the full ranking (trec_eval's map and recip_rank). The others have a cut-off k:
    ``map_at_k`` (map_cut: divided by all relevant passages), ``ndcg_at_k`` (gain = grade, discount log2(rank + 1)),
    ``recall_at_k``, ``precision_at_k`` (divided by k), ``mrr_at_k``, ``hit_rate_at_k`` (success).

    Returns:
        Name to float64 in [0, 1], shape (queries with relevant passages,).
    """
    counts = ranks.counts()
    judged = counts > 0
    counts = counts[judged]
    precision_here = ranks.place() / ranks.rank
    first = 1.0 / ranks.rank[np.concatenate([[0], counts.cumsum()[:-1]])] if len(counts) else np.zeros(0)
    discounted = ranks.grade / np.log2(ranks.rank + 1.0)
    ideal_rank, ideal_gain = ranks.place(), _ideal_order(ranks)
    ideal_discounted = ideal_gain / np.log2(ideal_rank + 1.0)

    scores = {"map": ranks.sum_by_query(precision_here)[judged] / counts, "mrr": first}
    for k in cutoffs:
        inside = (ranks.rank <= k).astype(np.float64)
        hits = ranks.sum_by_query(inside)[judged]
        ideal = ranks.sum_by_query(ideal_discounted * (ideal_rank <= k))[judged]
        scores[f"map_at_{k}"] = ranks.sum_by_query(precision_here * inside)[judged] / counts
        scores[f"ndcg_at_{k}"] = ranks.sum_by_query(discounted * inside)[judged] / ideal
        scores[f"recall_at_{k}"] = hits / counts
        scores[f"precision_at_{k}"] = hits / k
        scores[f"mrr_at_{k}"] = np.where(first >= 1.0 / k, first, 0.0)
        scores[f"hit_rate_at_{k}"] = (hits > 0).astype(np.float64)
    return scores


def _ideal_order(ranks: QueryRanks) -> NDArray[np.float64]:
    """Grades sorted descending within each query: the gains of a perfect ranking, shape (pairs,)."""
    return ranks.grade[np.lexsort((-ranks.grade, ranks.query))]
