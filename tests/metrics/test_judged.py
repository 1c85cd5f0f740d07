"""Share of the top that was judged, against its definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import near

from mteb_hybrid.metrics import judged_at_k

LISTS = st.lists(st.lists(st.booleans(), max_size=12), max_size=6)
EMPTY = "nothing was retrieved"


def arrays(lists: list[list[bool]], depth: int = 12) -> tuple[np.ndarray, np.ndarray]:
    judged = [[*one, *[False] * (depth - len(one))] for one in lists]
    return np.array(judged, dtype=bool).reshape(-1, depth), np.array([len(one) for one in lists], dtype=np.int64)


class TestJudged:
    def test_by_hand(self):
        """Two of the first four are judged; a list of three with two judged has 2/3; an empty one is left out."""
        result = judged_at_k(*arrays([[False, True, True, False, True], [True, False, True], []]), 4)
        assert result.value.tolist() == [float(Fraction(2, 4)), float(Fraction(2, 3))]
        assert (result.query.tolist(), result.left_out) == ([0, 1], {EMPTY: 1})

    def test_left_out(self):
        """Without any list there is no mean."""
        assert judged_at_k(*arrays([[]]), 4).mean() is None
        assert judged_at_k(*arrays([]), 4).mean() is None

    def test_what_stands_behind_the_end(self):
        """What the array says behind the end of a list does not count."""
        assert judged_at_k(np.ones((1, 5), dtype=bool), np.array([2]), 5).value.tolist() == [1]

    def test_lists_that_are_not_deep_enough(self):
        """Lists known to depth 3 say nothing about the first 4."""
        with pytest.raises(ValueError, match="the lists are 3 deep, not 4"):
            judged_at_k(np.ones((1, 3), dtype=bool), np.array([9]), 4)

    @given(LISTS, st.integers(1, 12), st.randoms(use_true_random=False))
    @settings(deadline=None)
    def test_definition_and_range(self, lists, k, random):
        """It is the share of what is shown in the first k, in [0, 1]; queries in another order have the same values."""
        expected = {query: Fraction(sum(one[:k]), len(one[:k])) for query, one in enumerate(lists) if one}
        result = judged_at_k(*arrays(lists), k)
        assert dict(zip(result.query, result.value, strict=True)) == {q: float(value) for q, value in expected.items()}
        assert ((result.value >= 0) & (result.value <= 1)).all()
        assert len(result) + sum(result.left_out.values()) == len(lists)
        order = [*range(len(lists))]
        random.shuffle(order)
        turned = judged_at_k(*arrays([lists[query] for query in order]), k)
        assert {order[q]: v for q, v in zip(turned.query, turned.value, strict=True)} == pytest.approx(expected)

    @given(LISTS.filter(lambda lists: lists and lists[0]), st.integers(1, 12), st.data())
    @settings(deadline=None)
    def test_direction(self, lists, k, data):
        """One more judgment never makes it smaller; an unjudged copy never makes it larger.

        The copy may push an unjudged passage out of the first k, but then it takes its place.
        """
        one = lists[0]
        place = data.draw(st.integers(0, len(one) - 1))
        before = judged_at_k(*arrays([one]), k).mean()
        assert judged_at_k(*arrays([[*one[:place], True, *one[place + 1 :]]]), k).mean() >= before
        copied = [*one[: place + 1], False, *one[place + 1 :]][:12]
        assert judged_at_k(*arrays([copied]), k).mean() <= before

    def test_all_none_and_random(self):
        """1 where all is judged, 0 where nothing is; with a quarter judged, 1/4, to five standard errors."""
        assert judged_at_k(*arrays([[True] * 5, [False] * 5]), 5).value.tolist() == [1, 0]
        judged = np.random.default_rng(5).random((4000, 20)) < 1 / 4
        assert near(judged_at_k(judged, np.full(4000, 20), 10).value, 1 / 4)
