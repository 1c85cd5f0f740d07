"""Counts of parts of a corpus add up to those of the whole, in whatever order they come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.counted import Ranking
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.streaming.tally import Tally

SIZE = 60
NOTHING = Ranking(np.zeros((1, 1), np.int64), np.full((1, 0), -1), np.full((1, 0), -np.inf))


def problem(seed):
    """Queries and passages with many ties, in few dimensions and few values."""
    rng = np.random.default_rng(seed)
    queries, passages = rng.integers(1, 4, size=(5, 3)), rng.integers(1, 4, size=(SIZE, 3))
    pairs = np.array([0, 0, 2, 4]), rng.choice(SIZE, 4, replace=False)
    return queries.astype(np.float32), passages.astype(np.float32), *pairs, rng.permutation(SIZE)


def counter(queries, passages, pair_query, pair_row, order):
    return RankCounter(queries, pair_query, passages[pair_row], order[pair_row], top_k=7, device="cpu")


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, SIZE - 1), max_size=12), st.randoms())
@settings(deadline=None, max_examples=60)
def test_any_parts_in_any_order(seed, cuts, random):
    """Ranks, best passages and scores to the bit; what is missing shrinks to nothing."""
    made = problem(seed)
    _, passages, *_, order = made
    whole = counter(*made)
    whole.count(passages, order)
    edges = sorted({0, *cuts, SIZE})
    parts = list(pairwise(edges))
    random.shuffle(parts)
    tally = Tally.of_nothing(counter(*made).result())
    for start, stop in parts:
        one = counter(*made)
        one.count(passages[start:stop], order[start:stop])
        assert any(first <= start and stop <= last for first, last in tally.missing(SIZE))
        tally = tally.plus(start, stop, one.result())
    assert tally.missing(SIZE) == []
    assert tally.size == SIZE
    assert tally.rows.tolist() == [[0, SIZE]]
    for name in ("above", "top_order", "top_scores"):
        assert np.array_equal(getattr(tally.ranking, name), getattr(whole.result(), name))


def test_what_is_missing():
    """Ranges between, before and after; ranges that touch become one."""
    tally = Tally.of_nothing(NOTHING)
    assert tally.missing(10) == [(0, 10)]
    tally = tally.plus(2, 4, NOTHING).plus(6, 8, NOTHING)
    assert tally.missing(10) == [(0, 2), (4, 6), (8, 10)]
    assert tally.plus(4, 6, NOTHING).rows.tolist() == [[2, 8]]
    assert tally.missing(8) == [(0, 2), (4, 6)]


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 4), (2, 4), (1, 9), (3, 7)])
def test_nothing_is_counted_twice(start, stop):
    """Rows that overlap counted ones are refused."""
    tally = Tally.of_nothing(NOTHING).plus(2, 4, NOTHING)
    with pytest.raises(ValueError, match="counted already"):
        tally.plus(start, stop, NOTHING)
