"""Language bias against its definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.metrics import QueryRanks, mean_rank_by_language, rank_distance

POOL = 60


@st.composite
def ranks_by_query(draw) -> list[list[int]]:
    """Distinct ranks of the relevant passages of a few queries, some with none or one."""
    ranks = st.lists(st.integers(1, POOL), max_size=6, unique=True)
    return draw(st.lists(ranks, max_size=8))


def query_ranks(by_query: list[list[int]]) -> QueryRanks:
    pairs = [(query, rank) for query, ranks in enumerate(by_query) for rank in ranks]
    return QueryRanks.from_pairs(
        np.array([query for query, _ in pairs], dtype=np.int64),
        np.array([rank for _, rank in pairs], dtype=np.int64),
        queries=len(by_query),
        pool_size=POOL,
    )


def plain_rank_distance(by_query: list[list[int]], cutoff: int | None = None) -> list[int]:
    distances = []
    for ranks in by_query:
        if len(ranks) < 2:
            continue
        known = np.array(ranks)
        if cutoff is not None:
            known[known > cutoff] = cutoff + 1
        distances.append(int(known.max() - known.min()))
    return distances


class TestRankDistance:
    def test_by_hand(self):
        """Ranks {2, 9, 5} are 7 apart and {1, 2} are 1 apart; queries with one or no relevant passage say nothing."""
        ranks = query_ranks([[2, 9, 5], [30], [], [2, 1]])
        distance = rank_distance(ranks)
        assert distance.dtype == np.float64
        assert distance.tolist() == [7, 1]

    def test_cutoff_by_hand(self):
        """Known to depth 10, rank 55 counts as 11: {2, 55} is 9 apart; {12, 40} are both beyond it, 0 apart."""
        assert rank_distance(query_ranks([[2, 55], [12, 40], [1, 10]]), cutoff=10).tolist() == [9, 0, 9]

    @given(ranks_by_query(), st.one_of(st.none(), st.integers(1, POOL)))
    @settings(deadline=None)
    def test_definition(self, by_query, cutoff):
        """It is the largest minus the smallest (known) rank of each query with at least two relevant passages."""
        assert rank_distance(query_ranks(by_query), cutoff).tolist() == plain_rank_distance(by_query, cutoff)

    @given(ranks_by_query(), st.integers(1, POOL))
    @settings(deadline=None)
    def test_bounds(self, by_query, cutoff):
        """It lies in [m - 1, pool size - 1], and the one to a depth never exceeds it."""
        distance = rank_distance(query_ranks(by_query))
        relevant = [len(ranks) for ranks in by_query if len(ranks) >= 2]
        assert all(m - 1 <= d <= POOL - 1 for m, d in zip(relevant, distance, strict=True))
        assert (rank_distance(query_ranks(by_query), cutoff) <= distance).all()

    @pytest.mark.parametrize("relevant", [2, 3, 11])
    def test_perfect_and_worst(self, relevant):
        """A perfect ranking of m relevant passages has m - 1, one at each end of the pool has pool size - 1."""
        perfect = list(range(1, relevant + 1))
        worst = [1, *range(POOL - relevant + 2, POOL + 1)]
        assert rank_distance(query_ranks([perfect, worst])).tolist() == [relevant - 1, POOL - 1]


class TestMeanRankByLanguage:
    def test_by_hand(self):
        """The mean over a language's passages; a language without any is absent."""
        means = mean_rank_by_language(np.array([1, 2, 4, 9]), np.array([2, 0, 2, 2]), ["de", "fr", "en"])
        assert means == {"de": 2.0, "en": float(Fraction(1 + 4 + 9, 3))}

    def test_empty(self):
        """Without relevant passages no language has a mean rank."""
        empty = np.empty(0, dtype=np.int64)
        assert mean_rank_by_language(empty, empty, ["de", "en"]) == {}

    @given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 3)), max_size=40))
    @settings(deadline=None)
    def test_definition(self, pairs):
        """It is the exact mean, rounded once, of each language that occurs, in the order of the languages."""
        names = ["de", "en", "fr", "zh"]
        means = mean_rank_by_language(
            np.array([rank for rank, _ in pairs], dtype=np.int64),
            np.array([language for _, language in pairs], dtype=np.int64),
            names,
        )
        expected = {}
        for position, name in enumerate(names):
            mine = [rank for rank, language in pairs if language == position]
            if mine:
                expected[name] = float(Fraction(sum(mine), len(mine)))
        assert means == expected
        assert list(means) == list(expected)
