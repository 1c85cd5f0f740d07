"""The input of all metrics: what `QueryRanks` accepts, and how it groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.metrics import QueryRanks

PAIRS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 30), st.integers(1, 4)),
    unique_by=lambda pair: pair[:2],
    max_size=25,
)


def from_pairs(pairs, queries=6, pool_size=30, graded=True, language=None) -> QueryRanks:
    query, rank, grade = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in range(3))
    grade = grade.astype(np.float64) if graded else None
    return QueryRanks.from_pairs(query, rank, queries=queries, pool_size=pool_size, grade=grade, language=language)


class TestGrouping:
    @given(PAIRS)
    @settings(deadline=None)
    def test_sorted_by_query_and_rank(self, pairs):
        """Pairs in any order come out by query, best first, each with its own grade."""
        ranks = from_pairs(pairs)
        assert list(zip(ranks.query, ranks.rank, ranks.grade, strict=True)) == sorted(pairs)
        assert (ranks.queries, ranks.pool_size) == (6, 30)

    @given(PAIRS)
    @settings(deadline=None)
    def test_counts_places_and_sums(self, pairs):
        """Counts, places and sums are those of a walk over each query's pairs; queries without any have 0."""
        ranks = from_pairs(pairs)
        walked = [sorted(pair[1:] for pair in pairs if pair[0] == query) for query in range(6)]
        assert ranks.counts().tolist() == [len(mine) for mine in walked]
        assert ranks.place().tolist() == [place for mine in walked for place in range(1, len(mine) + 1)]
        assert ranks.sum_by_query(ranks.grade).tolist() == [sum(grade for _, grade in mine) for mine in walked]

    def test_without_grades(self):
        """Every pair has grade 1 if none are given."""
        assert from_pairs([(0, 3, 4), (0, 1, 2)], graded=False).grade.tolist() == [1.0, 1.0]

    def test_grades_that_are_whole_numbers(self):
        """They are float64 as others are."""
        ranks = QueryRanks.from_pairs(np.array([0]), np.array([3]), queries=1, pool_size=9, grade=np.array([2]))
        assert ranks.grade.dtype == np.float64

    def test_same_rank_in_two_queries(self):
        """Two queries may have a relevant passage at the same rank."""
        assert from_pairs([(1, 3, 1), (0, 3, 1)]).query.tolist() == [0, 1]


class TestLanguages:
    @given(PAIRS, st.data())
    @settings(deadline=None)
    def test_each_pair_keeps_its_language(self, pairs, data):
        """Languages, given in the order of the pairs, come out in that of the ranks."""
        languages = data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)))
        ranks = from_pairs(pairs, language=np.array(languages, dtype=np.int64))
        found = list(zip(ranks.query, ranks.rank, ranks.languages(), strict=True))
        assert found == sorted((*pair[:2], language) for pair, language in zip(pairs, languages, strict=True))
        assert ranks.languages().dtype == np.int64

    def test_not_known(self):
        """Ranks without languages say so where a metric needs them."""
        ranks = from_pairs([(0, 3, 4)])
        assert ranks.language is None
        with pytest.raises(ValueError, match="these ranks have no languages"):
            ranks.languages()

    @pytest.mark.parametrize("count", [1, 3])
    def test_one_for_each_pair(self, count):
        """Fewer or more languages than pairs are refused, with both numbers."""
        with pytest.raises(ValueError, match=rf"the number of languages \({count}\) is not that of pairs \(2\)"):
            from_pairs([(0, 1, 1), (0, 2, 1)], language=np.zeros(count, dtype=np.int64))


class TestErrors:
    @pytest.mark.parametrize(
        ("pairs", "message"),
        [
            ([(0, 0, 1)], r"ranks must lie in \[1, 30\]"),
            ([(0, 31, 1), (0, 1, 1)], r"ranks must lie in \[1, 30\]"),
            ([(0, 0, 1), (0, 1, 1)], r"ranks must lie in \[1, 30\]"),
            ([(0, -3, 1)], r"ranks must lie in \[1, 30\]"),
            ([(-1, 1, 1)], r"queries must lie in \[0, 6\)"),
            ([(2, 1, 1), (6, 1, 1)], r"queries must lie in \[0, 6\)"),
            ([(2, 7, 1), (1, 7, 1), (2, 7, 2)], "the same rank"),
            ([(0, 1, 1), (0, 2, 0)], "grades must be positive"),
            ([(0, 1, -2)], "grades must be positive"),
        ],
    )
    def test_refused(self, pairs, message):
        """Ranks outside of the pool or given twice, unknown queries and grades that are not positive are refused."""
        with pytest.raises(ValueError, match=message):
            from_pairs(pairs)

    def test_nan_grade(self):
        """NaN is not positive, so it is refused as a grade."""
        with pytest.raises(ValueError, match="grades must be positive"):
            QueryRanks.from_pairs(np.array([0]), np.array([1]), queries=1, pool_size=3, grade=np.array([np.nan]))

    def test_ends_of_the_ranges(self):
        """The first and last rank and query are accepted."""
        ranks = from_pairs([(0, 1, 1), (5, 30, 1)])
        assert ranks.rank.tolist() == [1, 30]
