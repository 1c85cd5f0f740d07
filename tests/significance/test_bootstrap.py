"""Intervals against direct resampling and normal theory, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from differing_models import differences, drawn
from scipy.stats import binomtest

from mteb_hybrid.significance import bootstrap_intervals


def test_equals_resampling_rows():
    """Whole rows drawn with replacement, by loops: the same interval up to chance."""
    rng = np.random.default_rng(0)
    data = drawn(rng, 60, 4, shift=0.2)
    means = np.array([data.values[rng.integers(60, size=60)].mean(axis=0) for _ in range(8_000)])
    found = bootstrap_intervals(data, draws=8_000)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    low, high = np.quantile(means.mean(axis=1), [0.025, 0.975])
    assert (found.macro_low, found.macro_high) == pytest.approx((low, high), abs=0.02)


def test_width_is_that_of_clustered_data():
    """With questions as observations the interval of the mean is as wide as the spread of question means says."""
    data = drawn(np.random.default_rng(1), 400, 6)
    expected = 2 * 1.96 * data.values.mean(axis=1).std(ddof=1) / np.sqrt(400)
    found = bootstrap_intervals(data)
    assert found.macro_high - found.macro_low == pytest.approx(expected, rel=0.05)


def test_strata_keep_their_sizes():
    """Settings of different questions are drawn apart: a setting whose differences are all alike stays where it is."""
    values = np.full((30, 2), np.nan)
    values[:20, 0], values[20:, 1] = 0.25, np.arange(10)
    found = bootstrap_intervals(differences(values), draws=500)
    assert found.low[0] == pytest.approx(0.25)
    assert found.high[0] == pytest.approx(0.25)
    assert found.low[1] < 4.5 < found.high[1]


def test_coverage():
    """The true mean is inside as often as promised; percentile intervals of 40 questions are a little narrow."""
    rng = np.random.default_rng(2)
    inside = 0
    for number in range(400):
        found = bootstrap_intervals(drawn(rng, 40, 3), 0.9, draws=300, seed=number)
        inside += found.macro_low <= 0 <= found.macro_high
    assert binomtest(inside, 400, 0.9).pvalue > 1e-3
    assert inside / 400 < 0.95
