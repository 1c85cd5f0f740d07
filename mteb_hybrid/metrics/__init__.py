"""Metrics as pure functions of ranks and language labels: no MTEB, no models, no files."""

from mteb_hybrid.metrics.consistency import (
    AskedLists,
    pairwise_consistency,
    query_language_consistency,
    rank_biased_overlap,
)
from mteb_hybrid.metrics.effectiveness import CUTOFFS, effectiveness
from mteb_hybrid.metrics.exposure import (
    exposure_fairness,
    query_language_share,
    query_language_share_excess,
    relevant_languages,
)
from mteb_hybrid.metrics.judged import judged_at_k
from mteb_hybrid.metrics.per_query import PerQuery
from mteb_hybrid.metrics.preference import (
    SingleTargetMap,
    language_preference,
    language_preference_excess,
    mean_rank_by_language,
    single_target_average_precision,
    single_target_map,
)
from mteb_hybrid.metrics.ranks import QueryRanks
from mteb_hybrid.metrics.spread import complete_at_k, rank_distance, rank_distance_normalized

__all__ = [
    "CUTOFFS",
    "AskedLists",
    "PerQuery",
    "QueryRanks",
    "SingleTargetMap",
    "complete_at_k",
    "effectiveness",
    "exposure_fairness",
    "judged_at_k",
    "language_preference",
    "language_preference_excess",
    "mean_rank_by_language",
    "pairwise_consistency",
    "query_language_consistency",
    "query_language_share",
    "query_language_share_excess",
    "rank_biased_overlap",
    "rank_distance",
    "rank_distance_normalized",
    "relevant_languages",
    "single_target_average_precision",
    "single_target_map",
]
