"""From ranks to the scores of one subset, under MTEB's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid import metrics

if TYPE_CHECKING:
    from mteb_hybrid.metrics import PerQuery, QueryRanks
    from mteb_hybrid.tasks.ranked import RankedSubset

# scores whose loss from the monolingual to the pooled search is reported where both have the same relevant passages
_INTERFERENCE = ("map", "ndcg_at_10", "recall_at_100")


def scores_of(ranked: RankedSubset) -> dict[str, float]:
    """Means over the subset's queries; a score that is not defined is absent.

    ``map`` and ``mrr`` over the full ranking and ``map``, ``ndcg``, ``recall``, ``precision``, ``mrr`` and ``hit_rate``
    ``_at_k``; for pooled subsets the language-bias scores of docs/bias.md. Where a metric leaves queries out,
    ``<score>_left_out`` is their number. Where a model returns lists of k passages instead of a full ranking,
    ``not_retrieved`` is the share of relevant passages that are on no list: they count as ranked after everything else,
    so ``map`` and ``mrr`` are lower bounds, and rank distance is called ``rank_distance_at_k``, takes the rank after
    the end of the list for them and is a lower bound too.
    """
    ranks = ranked.query_ranks()
    scores = _effectiveness(ranks)
    unanswerable = int(np.count_nonzero(ranks.counts() == 0))
    if unanswerable:
        scores["map_left_out"] = float(unanswerable)
    if ranked.depth is not None:
        scores["not_retrieved"] = float(1 - ranked.retrieved.mean()) if len(ranked.retrieved) else 0.0
    values: dict[str, PerQuery] = {}
    if not ranked.data.parallel:
        values |= _judged(ranked)
        scores |= _interference(ranked, scores)
    if ranked.data.pooled:
        values |= _completeness(ranked, ranks) | _exposure(ranked, ranks)
        if ranked.data.parallel:
            values |= _parallel(ranked, ranks)
    for name, value in values.items():
        mean = value.mean()
        if mean is not None:
            scores[name] = mean
        if value.left_out:
            scores[f"{name}_left_out"] = float(sum(value.left_out.values()))
    median = values["rank_distance"].median() if "rank_distance" in values else None
    if median is not None:
        scores["rank_distance_median"] = median
    if ranked.data.pooled and ranked.data.parallel and ranked.full:
        means = metrics.mean_rank_by_language(ranks, ranked.data.languages)
        scores |= {f"mean_rank_{language}": mean for language, mean in means.items()}
    return scores


def _effectiveness(ranks: QueryRanks) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in metrics.effectiveness(ranks).items() if len(values)}


def _completeness(ranked: RankedSubset, ranks: QueryRanks) -> dict[str, PerQuery]:
    """Whether all relevant passages are near the top; unknown beyond the depth of a list."""
    # the ranks of passages that are not on a list are worst cases, which in a small pool are no larger than k
    known = np.inf if ranked.full or ranked.depth is None else min(ranked.depth, ranks.pool_size - 1)
    return {f"complete_at_{k}": metrics.complete_at_k(ranks, k) for k in (20, 100) if k <= known}


def _exposure(ranked: RankedSubset, ranks: QueryRanks) -> dict[str, PerQuery]:
    """Languages of the top of the list against those of the pool, or of the relevant passages if these are parallel."""
    data, top, depth = ranked.data, ranked.top_language, ranked.top_language.shape[1]
    values = {}
    if data.language is not None:
        for k in (10, 100):
            if k <= depth:
                share = metrics.query_language_share_excess(top, data.language, k, data.pool)
                values[f"query_language_share_at_{k}"] = metrics.query_language_share(top, data.language, k)
                values[f"query_language_share_excess_at_{k}"] = share
    if depth >= 100:
        pool = data.pool.astype(np.float64)
        target = metrics.relevant_languages(ranks, len(data.languages)) if data.parallel else pool
        values["exposure_fairness_at_100"] = metrics.exposure_fairness(top, target, 100)
    return values


def _parallel(ranked: RankedSubset, ranks: QueryRanks) -> dict[str, PerQuery]:
    """What is defined only where the relevant passages are translations of each other."""
    values: dict[str, PerQuery] = {}
    if ranked.depth is not None:  # also where every relevant passage was retrieved, so that subsets compare
        values[f"rank_distance_at_{ranked.depth}"] = metrics.rank_distance(ranks, ranked.lengths)
    if not ranked.full:
        return values
    values |= {
        "rank_distance": metrics.rank_distance(ranks),
        "rank_distance_normalized": metrics.rank_distance_normalized(ranks),
    }
    if ranked.data.language is not None:
        values["language_preference"] = metrics.language_preference(ranks, ranked.data.language)
        values["language_preference_excess"] = metrics.language_preference_excess(ranks, ranked.data.language)
    return values


def _judged(ranked: RankedSubset) -> dict[str, PerQuery]:
    """How much of the first 10 was judged; where it is little, all other scores are lower bounds."""
    if ranked.top_id.shape[1] < 10:
        return {}
    retrieved = np.count_nonzero(ranked.top_language >= 0, axis=1)
    return {"judged_at_10": metrics.judged_at_k(ranked.top_judged(), retrieved, 10)}


def _interference(ranked: RankedSubset, pooled: dict[str, float]) -> dict[str, float]:
    """Monolingual score minus pooled score, both from one pass: what the other languages' passages cost.

    A relevant passage's rank among the passages of its own language is its monolingual rank.
    """
    own = ranked.own_query_ranks()
    if own is None or not ranked.data.pooled:
        return {}
    alone = _effectiveness(own)
    return {f"interference_{name}": alone[name] - pooled[name] for name in _INTERFERENCE if name in alone}
