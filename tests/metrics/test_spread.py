"""Rank distance and completeness against their definitions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import Passage, drawn, moved_up, near, query_ranks, random_ranks, rankings, renamed, with_copy

from mteb_hybrid.metrics import QueryRanks, complete_at_k, rank_distance, rank_distance_normalized
from mteb_hybrid.metrics.spread import TOO_FEW

CUTOFF = st.integers(1, 15)
WHOLE = "the whole pool is relevant"


def ranks_of(*by_query: list[int], pool_size: int = 60) -> QueryRanks:
    return query_ranks([[Passage(0, rank in mine) for rank in range(1, pool_size + 1)] for mine in by_query], pool_size)


def relevant_ranks(ranking) -> list[int]:
    """The oracle's view of a ranking: walk down the list and note where something relevant stands."""
    return [rank for rank, passage in enumerate(ranking, start=1) if passage.relevant]


def every_ranking(relevant: int, pool_size: int) -> QueryRanks:
    """All places that the relevant passages can take in the pool, one query each."""
    return ranks_of(*map(list, combinations(range(1, pool_size + 1), relevant)), pool_size=pool_size)


class TestRankDistance:
    def test_by_hand(self):
        """Ranks {2, 9, 5} are 7 apart and {1, 2} are 1 apart; queries with one or no relevant passage are left out."""
        distance = rank_distance(ranks_of([2, 9, 5], [30], [], [2, 1]))
        assert distance.value.tolist() == [7, 1]
        assert distance.query.tolist() == [0, 3]
        assert distance.left_out == {TOO_FEW: 2}
        assert distance.value.dtype == np.float64

    def test_cutoff_by_hand(self):
        """Known to depth 10, rank 55 counts as 11: {2, 55} is 9 apart; {12, 40} are both beyond it, 0 apart."""
        assert rank_distance(ranks_of([2, 55], [12, 40], [1, 10]), cutoff=10).value.tolist() == [9, 0, 9]

    @given(rankings(), st.one_of(st.none(), CUTOFF))
    @settings(deadline=None)
    def test_definition(self, problem, cutoff):
        """It is the largest minus the smallest (known) rank of each query with at least two relevant passages."""
        expected = {}
        for query, ranking in enumerate(problem):
            known = [rank if cutoff is None or rank <= cutoff else cutoff + 1 for rank in relevant_ranks(ranking)]
            if len(known) >= 2:
                expected[query] = max(known) - min(known)
        distance = rank_distance(query_ranks(problem), cutoff)
        assert dict(zip(distance.query, distance.value, strict=True)) == expected
        assert sum(distance.left_out.values()) == len(problem) - len(expected)

    @given(rankings(), CUTOFF)
    @settings(deadline=None)
    def test_range(self, problem, cutoff):
        """It lies in [m - 1, N - 1]; the one to a depth lies in [0, depth] and never exceeds it."""
        ranks = query_ranks(problem)
        distance, known = rank_distance(ranks), rank_distance(ranks, cutoff)
        assert (distance.value >= ranks.counts()[distance.query] - 1).all()
        assert (distance.value <= ranks.pool_size - 1).all()
        assert ((known.value >= 0) & (known.value <= np.minimum(cutoff, distance.value))).all()

    @given(moved_up())
    @settings(deadline=None)
    def test_direction(self, moved):
        """The lowest relevant passage one place up: 1 less. The highest up: 1 more, the reason to read MAP with it."""
        before, after, place = moved
        ranks, distances = relevant_ranks(before), [rank_distance(query_ranks([one])).mean() for one in (before, after)]
        if len(ranks) >= 2:
            change = (place + 2 == ranks[0]) - (place + 2 == ranks[-1])
            assert distances[1] == distances[0] + change

    @pytest.mark.parametrize("relevant", [2, 3, 11])
    def test_perfect_bottom_and_worst(self, relevant):
        """A perfect ranking has m - 1, and so has the worst one for MAP; one at each end of the pool has N - 1."""
        perfect, bottom = [*range(1, relevant + 1)], [*range(61 - relevant, 61)]
        worst = [1, *range(62 - relevant, 61)]
        assert rank_distance(ranks_of(perfect, bottom, worst)).value.tolist() == [relevant - 1, relevant - 1, 59]

    @pytest.mark.parametrize(("relevant", "pool_size"), [(2, 7), (3, 9), (5, 8)])
    def test_random_exactly(self, relevant, pool_size):
        """Over all places that m passages can take in a pool of N the mean is (m - 1)(N + 1) / (m + 1)."""
        expected = Fraction((relevant - 1) * (pool_size + 1), relevant + 1)
        assert rank_distance(every_ranking(relevant, pool_size)).mean() == pytest.approx(float(expected), abs=1e-12)

    def test_random(self):
        """So it is over 5,000 random rankings of 200 passages, 11 of them relevant, to five standard errors."""
        assert near(rank_distance(random_ranks([*range(11)], 200, 5000)).value, 10 * 201 / 12)


class TestNormalized:
    def test_by_hand(self):
        """Ranks {1, 4, 7} of 10: (6 - 2) / (10 - 3)."""
        result = rank_distance_normalized(query_ranks([drawn("en* en en de* fr en fr* de fr de")]))
        assert result.value.tolist() == [float(Fraction(4, 7))]

    def test_left_out(self):
        """One relevant passage is too few; where both of two passages are relevant, nothing can be worse or better."""
        result = rank_distance_normalized(query_ranks([drawn("en* de*"), drawn("en* de"), drawn("en de")]))
        assert (result.value.tolist(), result.mean()) == ([], None)
        assert result.left_out == {TOO_FEW: 2, WHOLE: 1}

    @given(rankings())
    @settings(deadline=None)
    def test_definition_and_range(self, problem):
        """It is (distance - (m - 1)) / (N - m), in [0, 1], for 2 <= m < N."""
        expected = {}
        for query, ranking in enumerate(problem):
            ranks = relevant_ranks(ranking)
            m, n = len(ranks), len(ranking)
            if 2 <= m < n:
                expected[query] = float(Fraction(ranks[-1] - ranks[0] - (m - 1), n - m))
        result = rank_distance_normalized(query_ranks(problem))
        assert dict(zip(result.query, result.value, strict=True)) == pytest.approx(expected, abs=1e-12)
        assert ((result.value >= 0) & (result.value <= 1)).all()
        assert len(result) + sum(result.left_out.values()) == len(problem)

    @pytest.mark.parametrize("pool_size", [8, 60, 1000])
    def test_perfect_worst_and_random(self, pool_size):
        """0, 1, and (m - 1) / (m + 1) over 4,000 random rankings to five standard errors: the pool's size is gone."""
        ends = rank_distance_normalized(ranks_of([1, 2, 3], [1, 2, pool_size], pool_size=pool_size))
        assert ends.value.tolist() == [0, 1]
        assert near(rank_distance_normalized(random_ranks([0, 1, 2], pool_size, 4000)).value, 2 / 4)


class TestComplete:
    def test_by_hand(self):
        """At 20: complete with the last one at rank 20, incomplete with it at rank 21."""
        result = complete_at_k(ranks_of([1, 2, 20], [1, 2, 21], [3, 4]), 20)
        assert result.value.tolist() == [1, 0, 1]
        assert result.mean() == pytest.approx(float(Fraction(2, 3)))

    def test_left_out(self):
        """Fewer than two relevant passages, or more than k, are left out, each for its own reason; k are enough."""
        result = complete_at_k(ranks_of([1], [], [1, 2, 3], [1, 2]), 2)
        assert (result.query.tolist(), result.value.tolist()) == ([3], [1])
        assert result.left_out == {TOO_FEW: 2, "more than 2 relevant passages": 1}
        assert complete_at_k(ranks_of([1, 2, 3]), 2).left_out == {"more than 2 relevant passages": 1}
        assert complete_at_k(ranks_of([4]), 2).mean() is None

    @given(rankings(), CUTOFF)
    @settings(deadline=None)
    def test_definition(self, problem, k):
        """It is 1 where everything relevant is in the first k, for 2 <= m <= k."""
        expected = {}
        for query, ranking in enumerate(problem):
            if 2 <= len(relevant_ranks(ranking)) <= k:
                expected[query] = float(not any(passage.relevant for passage in ranking[k:]))
        result = complete_at_k(query_ranks(problem), k)
        assert dict(zip(result.query, result.value, strict=True)) == expected
        assert len(result) + sum(result.left_out.values()) == len(problem)

    @given(moved_up(), CUTOFF)
    @settings(deadline=None)
    def test_direction(self, moved, k):
        """A relevant passage one place up never makes it smaller, and neither does a larger k."""
        before, after = (complete_at_k(query_ranks([one]), k).mean() for one in moved[:2])
        larger = complete_at_k(query_ranks([moved[0]]), k + 1).mean()
        assert before is None or after >= before
        assert before is None or larger >= before

    @pytest.mark.parametrize(("relevant", "pool_size", "k"), [(2, 9, 4), (3, 8, 3)])
    def test_perfect_and_random(self, relevant, pool_size, k):
        """1 for a perfect ranking; C(k, m) / C(N, m) over all places that m passages can take."""
        assert complete_at_k(ranks_of([*range(1, relevant + 1)]), k).mean() == 1
        share = Fraction(math.comb(k, relevant), math.comb(pool_size, relevant))
        assert complete_at_k(every_ranking(relevant, pool_size), k).mean() == pytest.approx(float(share))


METRICS = [rank_distance, rank_distance_normalized, lambda ranks: complete_at_k(ranks, 6)]


class TestInvariance:
    @pytest.mark.parametrize("metric", METRICS)
    @given(problem=rankings(min_queries=1), data=st.data())
    @settings(deadline=None, max_examples=40)
    def test_languages_and_order_of_queries(self, metric, problem, data):
        """Which language a passage is in changes nothing; queries in another order have the same values."""
        order = data.draw(st.permutations(range(len(problem))))
        before = metric(query_ranks(problem))
        after = metric(query_ranks([renamed(problem[query], [2, 2, 0, 1]) for query in order]))
        found = {order[query]: value for query, value in zip(after.query, after.value, strict=True)}
        assert found == dict(zip(before.query, before.value, strict=True))
        assert before.left_out == after.left_out

    @given(rankings(min_queries=1), st.data())
    @settings(deadline=None)
    def test_duplicated_passage(self, problem, data):
        """An unjudged copy right below its original adds 1 if it stands between the first and the last relevant one.

        Elsewhere the distance must not change. Completeness cannot rise.
        """
        ranking = problem[0]
        place = data.draw(st.integers(0, len(ranking) - 1))
        before, after = query_ranks([ranking]), query_ranks([with_copy(ranking, place)])
        ranks = relevant_ranks(ranking)
        if len(ranks) < 2:
            return
        between = ranks[0] <= place + 1 < ranks[-1]
        assert rank_distance(after).mean() == rank_distance(before).mean() + between
        complete = [complete_at_k(one, 6).mean() for one in (before, after)]
        assert complete[0] is None or complete[1] <= complete[0]
