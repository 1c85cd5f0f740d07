"""Intervals against direct resampling and normal theory, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from differing_models import differences, drawn
from scipy.stats import binomtest, bootstrap

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
    values = np.full((80, 2), np.nan)
    values[:50, 0], values[50:, 1] = 0.25, np.arange(30)
    found = bootstrap_intervals(differences(values), draws=500)
    assert found.low[0] == pytest.approx(0.25)
    assert found.high[0] == pytest.approx(0.25)
    spread = np.arange(30).std() / np.sqrt(30)  # of the mean of 30 draws: none is lost to the other setting
    assert found.high[1] - found.low[1] == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_questions_that_are_alone_in_their_settings_vary_too():
    """Every question in other settings: by loops over all rows, with settings averaged over what was drawn."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((40, 3))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[np.isnan(values).all(axis=1), 0] = 0.0
    means = [np.nanmean(values[rng.integers(40, size=40)], axis=0) for _ in range(8_000)]
    found = bootstrap_intervals(differences(values), draws=8_000)
    low, high = np.nanquantile(means, [0.025, 0.975], axis=0)
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    low, high = np.quantile(np.mean(means, axis=1), [0.025, 0.975])
    assert (found.macro_low, found.macro_high) == pytest.approx((low, high), abs=0.03)


def test_a_setting_that_few_questions_have():
    """It is left out of the samples that lack it, and no NaN comes of it."""
    values = np.full((40, 2), np.nan)
    values[:, 0], values[0, 1] = np.linspace(-1, 1, 40), 0.5
    found = bootstrap_intervals(differences(values), draws=500)
    assert (found.low[1], found.high[1]) == (0.5, 0.5)
    assert np.isfinite([found.macro_low, found.macro_high]).all()
    assert found.macro_low < found.macro_high


@pytest.mark.parametrize("together", [2, 5])
def test_coverage_with_small_strata(together):
    """Many kinds of questions with few of each: intervals are no narrower than promised by more than a little."""
    rng = np.random.default_rng(4)
    inside = 0
    for number in range(300):
        data = drawn(rng, 40, 6)
        kinds = np.arange(40) // together
        present = ((kinds[:, None] * 7 + np.arange(6) * 5) % 11) < 6  # another set of settings for each kind
        present[~present.any(axis=1), 0] = True
        kept = differences(np.where(present, data.values, np.nan))
        found = bootstrap_intervals(kept, 0.9, draws=300, seed=number)
        inside += found.macro_low <= 0 <= found.macro_high
    assert inside / 300 > 0.84


def test_coverage():
    """The true mean is inside as often as promised; percentile intervals of 40 questions are a little narrow."""
    rng = np.random.default_rng(2)
    inside = 0
    for number in range(400):
        found = bootstrap_intervals(drawn(rng, 40, 3), 0.9, draws=300, seed=number)
        inside += found.macro_low <= 0 <= found.macro_high
    assert binomtest(inside, 400, 0.9).pvalue > 1e-3
    assert inside / 400 < 0.95


@pytest.mark.parametrize("seed", range(5))
def test_ends_are_those_of_scipys_percentile_bootstrap(seed):
    """One setting, skewed differences with ties: both ends within a twentieth of the width, five times chance."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.exponential(size=60) - 0.7, 1)
    # random_state: what scipy calls its generator since long; its new name is not in the lowest one that we support
    theirs = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, random_state=rng
    ).confidence_interval
    found = bootstrap_intervals(differences(values[:, None]), draws=10_000, seed=seed)
    width = theirs.high - theirs.low
    assert abs(found.low[0] - theirs.low) < width / 20
    assert abs(found.high[0] - theirs.high) < width / 20
