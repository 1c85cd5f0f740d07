"""Counts of the parts of a pool, put together, against one count over everything."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.counted import Ranking, add_rankings, merge_rankings
from mteb_hybrid.ranking import RankCounter

MODEST = settings(deadline=None, max_examples=60)


@dataclass(frozen=True)
class Pool:
    """Small whole numbers as embeddings, so that many passages tie exactly."""

    queries: np.ndarray
    passages: np.ndarray
    order: np.ndarray
    pair_query: np.ndarray
    pair_passage: np.ndarray
    top_k: int

    def count(self, rows: np.ndarray, counter: RankCounter | None = None) -> Ranking:
        counter = counter or self.counter()
        if len(rows):
            counter.count(self.passages[rows], self.order[rows])
        return counter.result()

    def counter(self) -> RankCounter:
        return RankCounter(
            self.queries, self.pair_query, self.passages[self.pair_passage], self.order[self.pair_passage],
            similarity="dot", top_k=self.top_k, device="cpu",
        )  # fmt: skip

    def oracle(self) -> tuple[list[int], list[list[int]]]:
        """Ranks of the pairs and tie-break positions of the best k, by sorting."""
        scores = self.queries.astype(int) @ self.passages.astype(int).T
        best = [sorted(range(len(self.passages)), key=lambda p: (-row[p], self.order[p])) for row in scores]
        ranks = [best[q].index(p) + 1 for q, p in zip(self.pair_query, self.pair_passage, strict=True)]
        tops = [[int(self.order[p]) for p in row[: self.top_k]] for row in best]
        return ranks, [top + [-1] * (self.top_k - len(top)) for top in tops]


@st.composite
def pools(draw) -> Pool:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, queries = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    pairs = draw(st.integers(0, 6))
    return Pool(
        queries=rng.integers(1, 3, size=(queries, 2)).astype(np.float32),
        passages=rng.integers(-2, 3, size=(size, 2)).astype(np.float32),
        order=rng.permutation(2**40 + np.arange(size)),
        pair_query=rng.integers(queries, size=pairs),
        pair_passage=rng.integers(size, size=pairs),
        top_k=draw(st.sampled_from([0, 1, 5, 60])),
    )


@st.composite
def split_pools(draw) -> tuple[Pool, list[np.ndarray]]:
    """A pool, and its rows in random parts, some of which are empty."""
    pool = draw(pools())
    rows = np.array(draw(st.permutations(range(len(pool.passages)))), dtype=np.int64)
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    return pool, np.split(rows, cuts)


@given(split_pools())
@MODEST
def test_parts_give_what_the_whole_gives(drawn):
    """However a pool with ties is cut: ranks, best k and their scores are those of one count, and the oracle's."""
    pool, parts = drawn
    whole = pool.count(np.arange(len(pool.passages)))
    merged = merge_rankings([pool.count(rows) for rows in parts])
    ranks, tops = pool.oracle()
    assert whole.ranks().tolist() == merged.ranks().tolist() == ranks
    assert whole.top_order.tolist() == merged.top_order.tolist() == tops
    assert whole.top_scores.tolist() == merged.top_scores.tolist()
    assert merged.top_order.shape == merged.top_scores.shape == (len(pool.queries), pool.top_k)
    assert (merged.above.dtype, merged.top_order.dtype, merged.top_scores.dtype) == (np.int64, np.int64, np.float64)


@given(split_pools(), st.randoms(use_true_random=False))
@MODEST
def test_the_order_of_the_parts_only_orders_the_segments(drawn, dice):
    """Parts in another order: the same best k, and the columns of the counts in that order."""
    pool, parts = drawn
    counted = [pool.count(rows) for rows in parts]
    place = list(range(len(counted)))
    dice.shuffle(place)
    one, other = merge_rankings(counted), merge_rankings([counted[i] for i in place])
    assert np.array_equal(one.above[:, place], other.above)
    assert np.array_equal(one.top_order, other.top_order)
    assert np.array_equal(one.top_scores, other.top_scores)


@given(split_pools())
@MODEST
def test_merging_of_merged_parts_adds_up(drawn):
    """Parts put together in two steps are the parts put together in one; one part alone is itself."""
    pool, parts = drawn
    counted = [pool.count(rows) for rows in parts]
    half = len(counted) // 2
    halves = [merge_rankings(some) for some in (counted[:half], counted[half:]) if some]
    one, other = merge_rankings(counted), merge_rankings(halves)
    for name in ("above", "top_order", "top_scores"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
        assert np.array_equal(getattr(merge_rankings(counted[:1]), name), getattr(counted[0], name))


@given(split_pools(), st.randoms(use_true_random=False))
@MODEST
def test_parts_of_the_same_segments_add_up(drawn, dice):
    """Counted apart in the same segments and added in any order, parts are the count of all of them."""
    pool, parts = drawn
    whole = pool.count(np.concatenate(parts))
    counted = [pool.count(rows) for rows in parts]
    dice.shuffle(counted)
    added = functools.reduce(add_rankings, counted)
    for name in ("above", "top_order", "top_scores"):
        assert np.array_equal(getattr(added, name), getattr(whole, name))


@given(split_pools())
@MODEST
def test_going_on_from_a_result(drawn):
    """A new counter that is given an earlier one's result goes on as that one would have."""
    pool, parts = drawn
    whole = pool.count(np.concatenate(parts))
    ranking = pool.count(parts[0])
    for rows in parts[1:]:
        counter = pool.counter()
        counter.restore(ranking)
        ranking = pool.count(rows, counter)
    for name in ("above", "top_order", "top_scores"):
        assert np.array_equal(getattr(ranking, name), getattr(whole, name))


def test_by_hand():
    """Two parts with a tie at the third place: the smaller position is better, whichever part it comes from."""
    one = Ranking(np.array([[2], [0]]), np.array([[7, 9, -1]]), np.array([[3.0, 1.0, -np.inf]]))
    other = Ranking(np.array([[1], [4]]), np.array([[8, 5, 3]]), np.array([[2.0, 1.0, 1.0]]))
    for parts in ([one, other], [other, one]):
        merged = merge_rankings(parts)
        assert merged.top_order.tolist() == [[7, 8, 3]]
        assert merged.top_scores.tolist() == [[3.0, 2.0, 1.0]]
        assert merged.ranks().tolist() == [4, 5]
        assert merged.above.tolist() == [[p.above[0, 0] for p in parts], [p.above[1, 0] for p in parts]]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_select_is_the_part_of_some_queries(cut):
    """Rankings of the first queries and of the rest, taken from one of all of them, are those counted apart."""
    rng = np.random.default_rng(5)
    queries, passages = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32)
    pool = Pool(queries, passages, np.arange(9), np.array([0, 0, 1]), np.array([4, 2, 8]), top_k=4)
    pair_cut = int((pool.pair_query < cut).sum())
    whole = pool.count(np.arange(9))
    for some, pairs in ((slice(0, cut), slice(0, pair_cut)), (slice(cut, 2), slice(pair_cut, 3))):
        part = whole.select(some, pairs)
        if not len(queries[some]):
            assert part.top_order.shape == part.top_scores.shape == (0, 4)
            assert part.above.shape == (0, 1)
            continue
        shifted = pool.pair_query[pairs] - some.start
        alone = Pool(queries[some], passages, np.arange(9), shifted, pool.pair_passage[pairs], 4).count(np.arange(9))
        assert part.ranks().tolist() == alone.ranks().tolist()
        assert part.top_order.tolist() == alone.top_order.tolist()
        assert part.top_scores.tolist() == alone.top_scores.tolist()
