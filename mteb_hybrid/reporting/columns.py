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

# what a score says, for those who point at its name; docs/reading.md works all of them out
MEANINGS = {
    "map": "mean average precision: how high the right answers stand in the whole ranking, in [0, 1]",
    "ndcg_at_10": "discounted gain of the first 10 passages against the best there can be, in [0, 1]",
    "mrr_at_10": "1 by the rank of the first right answer, 0 if it is not among the first 10",
    "recall_at_1": "share of the right answers that are the first passage",
    "recall_at_10": "share of the right answers among the first 10 passages",
    "recall_at_100": "share of the right answers among the first 100 passages",
    "rank_distance": "ranks between the first and the last right answer, which say the same in other languages",
    "rank_distance_median": "the same, for the median question",
    "rank_distance_normalized": "the same, 0 for a perfect ranking and 1 for the worst",
    "rank_distance_at_1000": "the same from lists of 1,000 passages: a lower bound",
    "complete_at_20": "share of questions whose right answers are all among the first 20 passages",
    "complete_at_100": "share of questions whose right answers are all among the first 100 passages",
    "language_preference": "share of questions whose first right answer is in the question's own language",
    "language_preference_excess": "the same, less what a ranking blind to language has: above 0 the own is preferred",
    "query_language_share_at_10": "share of the question's language among the first 10 passages",
    "query_language_share_excess_at_10": "the same, less its share of the pool: above 0 the own language crowds in",
    "query_language_share_at_100": "share of the question's language among the first 100 passages",
    "query_language_share_excess_at_100": "the same, less its share of the pool",
    "exposure_fairness_at_100": "how evenly languages are seen in the first 100: 1 where each has its due, else less",
    "query_language_consistency": "overlap of the lists for one question asked in two languages, in [0, 1]",
    "single_target_map": "mAP where only the answer in one language is left in the pool, over all language pairs",
    "single_target_map_same": "the same, for answers in the question's language",
    "single_target_map_other": "the same, for answers in other languages",
    "single_target_map_gap": "the difference of these two: above 0 the question's language is preferred",
    "interference_map": "what the other languages' passages cost: monolingual less pooled mAP",
    "interference_ndcg_at_10": "what the other languages' passages cost: monolingual less pooled nDCG@10",
    "interference_recall_at_100": "what the other languages' passages cost: monolingual less pooled recall@100",
    "judged_at_10": "share of the first 10 passages that were judged; where it is low, other scores are lower bounds",
}


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
