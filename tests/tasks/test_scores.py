"""Which scores a subset has: all that are defined for it, and none that is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mteb_hybrid.tasks.ranked import JudgedQueries, RankedSubset
from mteb_hybrid.tasks.scores import scores_of

LANGUAGES = ("de", "en", "fr")
PARALLEL = {"rank_distance", "rank_distance_median", "rank_distance_normalized", "language_preference",
            "language_preference_excess", "mean_rank_de", "mean_rank_en", "mean_rank_fr"}  # fmt: skip
POOLED = {"complete_at_20", "complete_at_100", "query_language_share_at_10", "query_language_share_excess_at_10",
          "query_language_share_at_100", "query_language_share_excess_at_100", "exposure_fairness_at_100"}  # fmt: skip
UNJUDGED = {"judged_at_10", "interference_map", "interference_ndcg_at_10", "interference_recall_at_100"}


def ranked(*, pooled=True, parallel=True, retrieved=None, depth=None, k=100) -> RankedSubset:
    """Two German questions in a pool of 300: q1 has answers at 1, 4 and 50 (de, en, fr), q2 one at 2 (en)."""
    data = JudgedQueries(
        query_ids=["q1", "q2"],
        queries=["?", "??"],
        query_language="de",
        languages=LANGUAGES,
        pool=np.array([60, 90, 150]),
        pair_query=np.array([0, 0, 0, 1]),
        pair_id=np.array(["a", "b", "c", "d"], dtype=object),
        pair_language=np.array([0, 1, 2, 1]),
        pair_grade=np.ones(4),
        judged={"q1": {"a": 1, "b": 1, "c": 1, "0": 0}, "q2": {"d": 1}},
        pooled=pooled,
        parallel=parallel,
    )
    top = np.tile(np.arange(k), (2, 1))
    ids = top.astype(str).astype(object)
    for query, place, passage in ((0, 0, "a"), (0, 3, "b"), (0, 49, "c"), (1, 1, "d")):
        if place < k:
            ids[query, place] = passage
    return RankedSubset(
        data=data,
        rank=np.array([1, 4, 50, 2]),
        own_rank=None if depth else np.array([1, 2, 20, 1]),
        retrieved=np.ones(4, dtype=bool) if retrieved is None else np.array(retrieved),
        depth=depth,
        top_id=ids,
        top_language=top % 3,
        top_score=-top.astype(float),
        similarity="cosine",
    )


def extra(scores) -> set[str]:
    """Names besides effectiveness and the counts of questions left out."""
    cut = ("map", "mrr", "ndcg_", "recall_", "precision_", "hit_rate_")
    return {name for name in scores if not name.startswith(cut) and not name.endswith("_left_out")}


def test_a_pooled_parallel_subset_has_all_of_bias():
    """Everything of docs/bias.md that one subset can have."""
    assert extra(scores_of(ranked())) == PARALLEL | POOLED


def test_a_monolingual_parallel_subset_has_none():
    """No pool of languages, no language bias."""
    assert extra(scores_of(ranked(pooled=False))) == set()


def test_where_passages_are_unjudged():
    """Pooled: exposure and shares against the pool, interference, judged; no rank distance, no preference."""
    assert extra(scores_of(ranked(parallel=False))) == POOLED | UNJUDGED
    assert extra(scores_of(ranked(parallel=False, pooled=False))) == {"judged_at_10"}


def test_lists_have_no_score_that_needs_a_full_ranking():
    """A passage beyond a list of 20: rank distance has another name, nothing is said of rank 100 or of preference."""
    short = ranked(retrieved=[True, True, False, True], depth=20, k=20)
    assert extra(scores_of(short)) == {
        "not_retrieved", "rank_distance_at_20", "complete_at_20", "query_language_share_at_10",
        "query_language_share_excess_at_10",
    }  # fmt: skip


def test_values_and_questions_left_out():
    """q2 has one answer: rank distance is q1's, 49, and one question is left out of it, not counted as 0."""
    scores = scores_of(ranked())
    assert scores["rank_distance"] == scores["rank_distance_median"] == 49
    assert scores["rank_distance_normalized"] == pytest.approx((49 - 2) / (300 - 3))
    assert scores["complete_at_20"] == 0
    assert scores["complete_at_100"] == 1
    assert scores["language_preference"] == 1
    assert scores["language_preference_excess"] == pytest.approx(1 - 1 / 3)
    assert scores["query_language_share_at_10"] == pytest.approx(4 / 10)
    assert scores["query_language_share_excess_at_10"] == pytest.approx(4 / 10 - 60 / 300)
    assert scores["mean_rank_en"] == 3
    left_out = {name: value for name, value in scores.items() if name.endswith("_left_out")}
    assert left_out == dict.fromkeys(
        [f"{name}_left_out" for name in ("rank_distance", "rank_distance_normalized", "complete_at_20",
         "complete_at_100", "language_preference", "language_preference_excess")], 1.0,
    )  # fmt: skip


def test_interference_and_judged():
    """q1's mAP is (1 + 2/4 + 3/50) / 3 pooled and (1 + 1 + 3/20) / 3 alone; 0, a and b of its first ten are judged."""
    scores = scores_of(ranked(parallel=False))
    pooled, alone = (1 + 2 / 4 + 3 / 50) / 3, (1 + 2 / 2 + 3 / 20) / 3
    assert scores["interference_map"] == pytest.approx(((alone - pooled) + (1 - 1 / 2)) / 2)
    assert scores["judged_at_10"] == pytest.approx((2 / 10 + 1 / 10) / 2)


def test_the_query_language_may_be_missing_in_the_pool():
    """Shares and preference are then absent; exposure is not."""
    one = ranked()
    other = dataclasses.replace(one, data=dataclasses.replace(one.data, query_language="th"))
    missing = {name for name in PARALLEL | POOLED if name.startswith(("query_language", "language"))}
    assert extra(scores_of(other)) == (PARALLEL | POOLED) - missing
