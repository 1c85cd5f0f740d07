"""Which scores a report shows, under which headings, in which form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.reporting.summary import ModelSummary


@dataclass(frozen=True, slots=True)
class Column:
    """A score of one setting.

    Attributes:
        heading: What stands above it.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        score: Its name in the results.
        form: How it is printed.
        by_language: Whether it stands in the table of query languages too.
        better: ``high`` or ``low``.
        headline: Whether it is one of the few that are shown first.
    """

    heading: str
    setting: str
    score: str
    form: str = ".4f"
    by_language: bool = True
    better: str = "high"
    headline: bool = False


# the paper's columns, for collections whose relevant passages are translations of each other
PARALLEL = (
    Column("Mo. mAP", "Monolingual", "map", headline=True),
    Column("Cr. mAP", "CrossLingual", "map", headline=True),
    Column("Mul. mAP", "Multilingual", "map", headline=True),
    Column("Mo. R@1", "Monolingual", "recall_at_1", by_language=False),
    Column("Cr. R@1", "CrossLingual", "recall_at_1", by_language=False),
    Column("Mul. R@10", "Multilingual", "recall_at_10", by_language=False),
    Column("Rank distance", "Multilingual", "rank_distance", ",.1f", better="low", headline=True),
)
# for collections in which passages are unjudged
JUDGED = (
    Column("Mo. nDCG@10", "Monolingual", "ndcg_at_10", headline=True),
    Column("Mo. R@100", "Monolingual", "recall_at_100"),
    Column("Cr. MRR@10", "CrossLingual", "mrr_at_10", headline=True),
    Column("Mul. nDCG@10", "Multilingual", "ndcg_at_10", headline=True),
    Column("Mul. R@100", "Multilingual", "recall_at_100"),
    Column("Interference nDCG@10", "Multilingual", "interference_ndcg_at_10", better="low", headline=True),
    Column("Mo. judged@10", "Monolingual", "judged_at_10", by_language=False),
    Column("Mul. judged@10", "Multilingual", "judged_at_10", by_language=False),
)
# the pooled setting's language bias: score, direction that is better, form; see docs/bias.md
BIAS = (
    ("rank_distance", "low", ",.1f"),
    ("rank_distance_median", "low", ",.1f"),
    ("rank_distance_normalized", "low", ".4f"),
    ("rank_distance_at_1000", "low", ",.1f"),
    ("complete_at_20", "high", ".4f"),
    ("complete_at_100", "high", ".4f"),
    ("language_preference", "1/m", ".4f"),
    ("language_preference_excess", "0", "+.4f"),
    ("query_language_share_at_10", "pool share", ".4f"),
    ("query_language_share_excess_at_10", "0", "+.4f"),
    ("query_language_share_at_100", "pool share", ".4f"),
    ("query_language_share_excess_at_100", "0", "+.4f"),
    ("exposure_fairness_at_100", "high", ".4f"),
    ("query_language_consistency", "high", ".4f"),
    ("single_target_map", "high", ".4f"),
    ("single_target_map_same", "high", ".4f"),
    ("single_target_map_other", "high", ".4f"),
    ("single_target_map_gap", "0", "+.4f"),
    ("interference_map", "low", ".4f"),
    ("interference_ndcg_at_10", "low", ".4f"),
    ("interference_recall_at_100", "low", ".4f"),
    ("judged_at_10", "high", ".4f"),
)


def columns_of(summaries: Sequence[ModelSummary]) -> tuple[Column, ...]:
    """The columns of a collection, told by what was scored."""
    scored = (scores for one in summaries for subsets in one.scores.values() for scores in subsets.values())
    return JUDGED if any("judged_at_10" in scores for scores in scored) else PARALLEL


def main_score(columns: Sequence[Column], setting: str) -> str:
    """The score that a setting is judged by: the first one of its headlines."""
    return next(column.score for column in columns if column.setting == setting and column.headline)


def score_name(columns: Sequence[Column], score: str) -> str:
    """What a score is called in headings, without its setting: ``mAP`` for ``map``."""
    return next(column.heading for column in columns if column.score == score).partition(" ")[2]
