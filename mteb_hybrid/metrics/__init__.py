"""Metrics as pure functions of ranks and language labels: no MTEB, no models, no files."""

from mteb_hybrid.metrics.bias import mean_rank_by_language, rank_distance
from mteb_hybrid.metrics.effectiveness import CUTOFFS, effectiveness
from mteb_hybrid.metrics.ranks import QueryRanks

__all__ = ["CUTOFFS", "QueryRanks", "effectiveness", "mean_rank_by_language", "rank_distance"]
