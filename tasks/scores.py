"""From ranks to the scores of one subset, under MTEB's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.metrics import effectiveness, mean_rank_by_language, rank_distance

if TYPE_CHECKING:
    from mteb_hybrid.tasks.ranked import RankedSubset


def scores_of(ranked: RankedSubset) -> dict[str, float]:
    """Means over the subset's queries; a score that is not defined is absent.

    ``map`` and ``mrr`` over the full ranking and ``map``, ``ndcg``, ``recall``, ``precision``, ``mrr`` and ``hit_rate``
    ``_at_k``. Pooled subsets have ``rank_distance`` and ``mean_rank_<language>`` besides. Where a model returns lists
    of k passages instead of a full ranking, ``not_retrieved`` is the share of relevant passages that are on no list:
    they count as ranked after everything else, so ``map`` and ``mrr`` are lower bounds, and rank distance is called
    ``rank_distance_at_k``, takes rank k + 1 for them and is a lower bound too.
    """
    ranks = ranked.query_ranks()
    scores = {name: float(values.mean()) for name, values in effectiveness(ranks).items() if len(values)}
    if ranked.depth is not None:
        scores["not_retrieved"] = float(1 - ranked.retrieved.mean()) if len(ranked.retrieved) else 0.0
    if not ranked.data.pooled:
        return scores
    if ranked.full:
        distances, name = rank_distance(ranks), "rank_distance"
    else:
        distances, name = rank_distance(ranks, ranked.depth), f"rank_distance_at_{ranked.depth}"
    if len(distances):
        scores[name] = float(distances.mean())
    if ranked.full:
        languages = ranked.data.language[ranked.data.pair_passage]
        means = mean_rank_by_language(ranked.rank, languages, ranked.data.languages)
        scores |= {f"mean_rank_{language}": mean for language, mean in means.items()}
    return scores
