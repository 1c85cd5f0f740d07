"""What a metric returns: values, and what was left out."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.metrics import PerQuery

VALUES = st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6)), max_size=20)


def of(pairs: list[tuple[bool, float]]) -> PerQuery:
    defined, value = (np.array([pair[i] for pair in pairs], dtype=kind) for i, kind in ((0, bool), (1, float)))
    return PerQuery.where(defined, value, "no reason")


class TestWhere:
    def test_by_hand(self):
        """Queries 0 and 2 of three have a value; what stands at the other one is ignored, even NaN."""
        result = of([(True, 0.5), (False, math.nan), (True, 2.0)])
        assert (result.query.tolist(), result.value.tolist()) == ([0, 2], [0.5, 2.0])
        assert (len(result), result.left_out) == (2, {"no reason": 1})

    def test_no_reason_without_a_query(self):
        """Where every query has a value, no reason is named."""
        assert of([(True, 1.0)]).left_out == {}

    def test_nothing_is_left_out_unless_it_is_said(self):
        """Values alone are those of all queries that there are."""
        assert PerQuery(np.arange(2), np.ones(2)).left_out == {}

    @given(VALUES)
    @settings(deadline=None)
    def test_every_query_counts_once(self, pairs):
        """The queries that have a value and those left out are all queries, in the order of the queries."""
        result = of(pairs)
        assert result.query.tolist() == [i for i, (defined, _) in enumerate(pairs) if defined]
        assert result.value.tolist() == [value for defined, value in pairs if defined]
        assert len(result) + sum(result.left_out.values()) == len(pairs)
        assert (result.query.dtype, result.value.dtype) == (np.int64, np.float64)


class TestMinus:
    def test_expected_is_per_query(self):
        """What is expected is looked up by the number of the query, not by the position among the values."""
        result = of([(False, 0.0), (True, 1.0), (True, 3.0)]).minus(np.array([100.0, 0.25, 4.0]))
        assert result.value.tolist() == [0.75, -1.0]
        assert (result.query.tolist(), result.left_out) == ([1, 2], {"no reason": 1})


class TestAverages:
    @pytest.mark.parametrize("pairs", [[], [(False, 1.0)]])
    def test_none_without_values(self, pairs):
        """Without values there is no mean and no median: None, not NaN and not 0."""
        assert of(pairs).mean() is None
        assert of(pairs).median() is None

    def test_median_resists_a_tail(self):
        """One value of 4,862 among 9, 10 and 11 moves the mean to 1,223 and leaves the median between 10 and 11."""
        result = of([(True, value) for value in (10.0, 4862.0, 9.0, 11.0)])
        assert (result.mean(), result.median()) == (1223.0, 10.5)

    @given(VALUES.filter(lambda pairs: any(defined for defined, _ in pairs)))
    @settings(deadline=None)
    def test_definition(self, pairs):
        """They are the mean and the median of the values there are, as plain Python floats."""
        result, plain = of(pairs), [value for defined, value in pairs if defined]
        assert result.mean() == pytest.approx(math.fsum(plain) / len(plain), abs=1e-6)
        assert result.median() == pytest.approx(statistics.median(plain), abs=1e-6)
        assert (type(result.mean()), type(result.median())) == (float, float)
