"""Languages of the top of the list: the share of the question's own, and fair exposure, against their definitions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import LANGUAGES, drawn, near, query_ranks, rankings, renamed, top_languages, with_copy
from scipy.spatial.distance import jensenshannon

from mteb_hybrid.metrics import (
    exposure_fairness,
    query_language_share,
    query_language_share_excess,
    relevant_languages,
)

EN, DE, FR = range(3)
K = st.integers(1, 15)
LANGUAGE = st.integers(0, len(LANGUAGES) - 1)
TARGET = st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any).map(lambda sizes: np.array(sizes, dtype=float))
EMPTY = "nothing was retrieved"
NO_TARGET = "nothing was retrieved, or no target"


def fairness(text: str, target: list[float], k: int) -> float | None:
    return exposure_fairness(top_languages([drawn(text)], k), np.array(target, dtype=np.float64), k).mean()


def exposure_by_walk(ranking, k: int) -> list[float]:
    """The oracle's first half: walk down the list and give each language what its passage is seen."""
    exposure = [0.0] * len(LANGUAGES)
    for rank, passage in enumerate(ranking[:k], start=1):
        exposure[passage.language] += 1.0 if rank <= 2 else math.log(2) / math.log(rank)
    return exposure


def plain_fairness(exposure: list[float], target: list[float]) -> float | None:
    """The oracle's second half, from entropies: JSD(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2, in bits."""
    if not sum(exposure) or not sum(target):
        return None
    p, q = [x / sum(exposure) for x in exposure], [x / sum(target) for x in target]

    def entropy(shares: list[float]) -> float:
        return -sum(x * math.log2(x) for x in shares if x)

    middle = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
    return 1 - (entropy(middle) - (entropy(p) + entropy(q)) / 2)


class TestQueryLanguageShare:
    def test_by_hand(self):
        """Six of the first ten are English, a quarter of the pool is: excess 6/10 - 1/4."""
        top = top_languages([drawn("en en en de en fr en de en fr de de")], 12)
        assert query_language_share(top, EN, 10).value.tolist() == [float(Fraction(6, 10))]
        excess = query_language_share_excess(top, EN, 10, np.array([10, 20, 10])).mean()
        assert excess == pytest.approx(float(Fraction(7, 20)))

    def test_short_and_empty_lists(self):
        """A list of three is divided by three, not by k; an empty one is left out; without any there is no mean."""
        top = top_languages([drawn("en en de"), []], 10)
        share = query_language_share(top, EN, 10)
        assert (share.value.tolist(), share.left_out) == ([float(Fraction(2, 3))], {EMPTY: 1})
        excess = query_language_share_excess(top[::-1], EN, 10, np.array([1, 2]))
        assert (excess.query.tolist(), excess.value.tolist()) == ([1], pytest.approx([1 / 3]))
        assert query_language_share(top[1:], EN, 10).mean() is None

    def test_lists_that_are_not_deep_enough(self):
        """Lists known to depth 3 say nothing about the first 4."""
        for call in (
            lambda: query_language_share(np.zeros((1, 3), dtype=np.int64), EN, 4),
            lambda: exposure_fairness(np.zeros((1, 3), dtype=np.int64), np.ones(2), 4),
        ):
            with pytest.raises(ValueError, match="the lists are 3 deep, not 4"):
                call()

    @given(rankings(), K, LANGUAGE)
    @settings(deadline=None)
    def test_definition_and_range(self, problem, k, asked):
        """It is the share of what is shown in the first k, in [0, 1]; its excess lies in [-p, 1 - p]."""
        shares = [
            Fraction(sum(passage.language == asked for passage in ranking[:k]), len(ranking[:k])) for ranking in problem
        ]
        sizes = np.bincount([passage.language for ranking in problem[:1] for passage in ranking], minlength=4)
        pool = sizes if problem else np.ones(4, dtype=np.int64)
        top = top_languages(problem, k)
        p = Fraction(int(pool[asked]), int(pool.sum()))
        assert query_language_share(top, asked, k).value.tolist() == [float(share) for share in shares]
        excess = query_language_share_excess(top, asked, k, pool).value
        assert excess.tolist() == pytest.approx([float(share - p) for share in shares])
        assert ((excess >= -p - 1e-12) & (excess <= 1 - p + 1e-12)).all()

    @given(rankings(min_queries=1), K, LANGUAGE, st.data())
    @settings(deadline=None)
    def test_direction(self, problem, k, asked, data):
        """A passage of the question's language moved to the top never makes it smaller."""
        ranking = problem[0]
        moved = data.draw(st.sampled_from(ranking))
        place = ranking.index(moved)
        top = [query_language_share(top_languages([one], k), asked, k).mean()
               for one in (ranking, [moved, *ranking[:place], *ranking[place + 1 :]])]  # fmt: skip
        assert top[1] >= top[0] if moved.language == asked else top[1] <= top[0]

    def test_random(self):
        """Over all orders of a pool the mean excess is 0; so it is over random ones, to five standard errors."""
        pool = drawn("en en de fr sw")
        top = top_languages(list(permutations(pool)), 3)
        sizes = np.array([2, 1, 1, 1])
        assert query_language_share_excess(top, EN, 3, sizes).mean() == pytest.approx(0, abs=1e-12)
        rng = np.random.default_rng(1)
        order = np.argsort(rng.random((4000, 200)), axis=1)[:, :10] % 4
        assert near(query_language_share_excess(order, DE, 10, np.full(4, 50)).value, 0)


class TestExposureFairness:
    def test_by_hand(self):
        """Only English where English and German are wanted alike: 3/4 log2(3) - 1/2."""
        assert fairness("en en", [1, 1], 2) == pytest.approx(3 / 4 * math.log2(3) - 1 / 2, abs=1e-15)

    def test_both_first_ranks_count_alike(self):
        """Ranks 1 and 2 both have exposure 1, so English then German is exactly fair, and so is a third of each at 4.

        At 4: English 1 + 1/2 at ranks 1 and 4, German 1 at rank 2, French 1/log2(3) at rank 3.
        """
        assert fairness("en de", [1, 1], 2) == 1
        assert fairness("en de fr en", [3 / 2, 1, 1 / math.log2(3)], 4) == pytest.approx(1, abs=1e-15)
        assert fairness("en de fr en", [3 / 2, 1, 1 / math.log2(3)], 3) < 1

    def test_nothing_in_common(self):
        """Only French where English and German are wanted: 0."""
        assert fairness("fr fr fr", [1, 1, 0], 3) == 0

    def test_left_out(self):
        """An empty list and a question without a target are left out, never NaN; a list shorter than k is not."""
        top = top_languages([[], drawn("en"), drawn("en")], 5)
        result = exposure_fairness(top, np.array([[1.0, 1], [0, 0], [2, 0]]), 5)
        assert (result.query.tolist(), result.value.tolist(), result.left_out) == ([2], [1], {NO_TARGET: 2})
        assert exposure_fairness(top[:1], np.array([1.0, 1]), 5).mean() is None

    def test_unknown_language(self):
        """A language beyond the target's is an error; it must not count for another query."""
        with pytest.raises(IndexError):
            exposure_fairness(np.array([[2], [0]]), np.array([1.0, 1]), 1)
        with pytest.raises(IndexError):
            relevant_languages(query_ranks([drawn("fr*"), drawn("en*")]), 2)

    @given(rankings(), K, st.one_of(st.none(), TARGET))
    @settings(deadline=None)
    def test_definition_and_range(self, problem, k, shares):
        """It is 1 - JSD of exposure and target, as entropies and as scipy have it, in [0, 1]."""
        target = relevant_languages(query_ranks(problem), 4) if shares is None else shares
        result = exposure_fairness(top_languages(problem, k), target, k)
        expected = {}
        for query, ranking in enumerate(problem):
            counts = [sum(one.relevant and one.language == language for one in ranking) for language in range(4)]
            wanted = counts if shares is None else shares.tolist()
            exposure = exposure_by_walk(ranking, k)
            if (value := plain_fairness(exposure, wanted)) is not None:
                expected[query] = value
                assert value == pytest.approx(1 - jensenshannon(exposure, wanted, base=2) ** 2, abs=1e-9)
        assert dict(zip(result.query, result.value, strict=True)) == pytest.approx(expected, abs=1e-9)
        assert ((result.value >= 0) & (result.value <= 1)).all()
        assert len(result) + sum(result.left_out.values()) == len(problem)

    @given(st.lists(st.lists(st.sampled_from([EN, DE]), min_size=6, max_size=6), min_size=2, max_size=2))
    @settings(deadline=None)
    def test_direction(self, tops):
        """Of two lists over two languages wanted alike, the one whose exposure is nearer to halves is fairer."""
        away = []
        for top in tops:
            exposure = [sum(1 / math.log2(max(r, 2)) for r, one in enumerate(top, 1) if one == x) for x in (EN, DE)]
            away.append(abs(exposure[0] / sum(exposure) - 1 / 2))
        fair = exposure_fairness(np.array(tops), np.array([1.0, 1]), 6).value
        if away[0] < away[1] - 1e-9:
            assert fair[0] > fair[1]

    @given(rankings(min_queries=1), K, TARGET, st.permutations(range(4)), st.data())
    @settings(deadline=None)
    def test_invariance(self, problem, k, target, names, data):
        """Other names for the languages, other queries first and a target times ten change nothing.

        Nor does it matter which passage answers the question, but for the target.
        """
        order = data.draw(st.permutations(range(len(problem))))
        before = exposure_fairness(top_languages(problem, k), target, k).value
        shuffled = top_languages([renamed(problem[query], names) for query in order], k)
        named = np.empty(4)
        named[names] = 10 * target
        assert exposure_fairness(shuffled, named, k).value == pytest.approx(before[order], abs=1e-9)
        for asked in range(4):
            share = query_language_share(shuffled, names[asked], k).value
            assert share.tolist() == query_language_share(top_languages(problem, k), asked, k).value[order].tolist()

    @given(rankings(min_queries=1), st.data())
    @settings(deadline=None)
    def test_duplicated_passage(self, problem, data):
        """A copy right below its original changes both as the longer list says; not where it stands below rank k."""
        ranking = problem[0]
        place, k = data.draw(st.integers(0, len(ranking) - 1)), data.draw(K)
        copied, target = with_copy(ranking, place), np.ones(4)
        fair = [exposure_fairness(top_languages([one], k), target, k).mean() for one in (ranking, copied)]
        share = [query_language_share(top_languages([one], k), EN, k).mean() for one in (ranking, copied)]
        assert fair[1] == pytest.approx(plain_fairness(exposure_by_walk(copied, k), [1] * 4), abs=1e-9)
        if place + 1 >= k:
            assert (fair[0], share[0]) == (fair[1], share[1])
        elif ranking[place].language == EN and len(ranking) >= k:
            assert share[1] >= share[0]

    def test_random_is_nearly_fair_and_one_language_is_not(self):
        """The first 100 of random orders of a large pool are within 0.01 of 1 in the mean; one language of 4 is 0.45.

        Alone it has 1 - JSD = 1 - (log2(8/5) + 1/4 log2(2/5) + 3/4) / 2.
        """
        rng = np.random.default_rng(2)
        top = np.argsort(rng.random((300, 2000)), axis=1)[:, :100] % 4
        assert 0.99 < exposure_fairness(top, np.ones(4), 100).mean() < 1
        alone = 1 - (math.log2(8 / 5) + math.log2(2 / 5) / 4 + 3 / 4) / 2
        assert exposure_fairness(np.zeros((1, 100), dtype=np.int64), np.ones(4), 100).mean() == pytest.approx(alone)

    def test_rounding_does_not_leave_the_range(self):
        """Where the exposure is the target, times anything, the value is 1, never a last bit above."""
        rng = np.random.default_rng(0)
        for k in range(1, 12):
            top = rng.integers(0, 4, (300, k))
            exposure = np.zeros((300, 4))
            for rank in range(1, k + 1):
                exposure[np.arange(300), top[:, rank - 1]] += 1 / math.log2(max(rank, 2))
            fair = exposure_fairness(top, exposure * rng.integers(1, 9, (300, 1)), k).value
            assert fair == pytest.approx(np.ones(300), abs=1e-12)
            assert (fair <= 1).all()


class TestRelevantLanguages:
    def test_by_hand(self):
        """Relevant passages per query and language, zeros for a query without any."""
        counts = relevant_languages(query_ranks([drawn("en* de en* fr*"), drawn("en"), drawn("sw*")]), 4)
        assert counts.tolist() == [[2, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
        assert counts.dtype == np.float64
