"""Sign flips against scipy and plain loops, and the error rates that they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from differing_models import differences, drawn
from scipy.stats import binomtest, permutation_test, ttest_1samp

from mteb_hybrid.significance import sign_flip_test


def naive(values: np.ndarray) -> tuple[list[float], list[float], float]:
    """All flips of whole rows by loops: p-values, step-down max-T from the definition, p-value of the mean."""
    counts = (~np.isnan(values)).sum(axis=0)
    values = np.nan_to_num(values)
    norms = np.sqrt((values**2).sum(axis=0))

    def statistics(signs):
        flipped = values * np.array(signs)[:, None]
        own = [abs(flipped[:, column].sum()) / norms[column] for column in range(values.shape[1])]
        return own, abs((flipped.sum(axis=0) / counts).mean())

    observed, observed_mean = statistics([1] * len(values))
    every = [statistics(signs) for signs in itertools.product([1, -1], repeat=len(values))]
    close = 1 - 1e-9
    p = [np.mean([own[s] >= observed[s] * close for own, _ in every]) for s in range(len(observed))]
    order = sorted(range(len(observed)), key=lambda s: -observed[s])
    adjusted, highest = [0.0] * len(observed), 0.0
    for place, s in enumerate(order):
        rest = order[place:]
        highest = max(highest, np.mean([max(own[r] for r in rest) >= observed[s] * close for own, _ in every]))
        adjusted[s] = highest
    return p, adjusted, float(np.mean([mean >= observed_mean * close for _, mean in every]))


@pytest.mark.parametrize("seed", range(4))
def test_equals_loops_over_all_flips(seed):
    """Few questions, some missing in some settings: every p-value is that of the definition."""
    rng = np.random.default_rng(seed)
    values = drawn(rng, 9, 5, shift=0.5).values
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0] = 1.0  # every setting has a question
    found = sign_flip_test(differences(values))
    p, adjusted, mean = naive(values)
    assert found.exact
    assert found.p == pytest.approx(p)
    assert found.adjusted == pytest.approx(adjusted)
    assert found.macro == pytest.approx(mean)


@pytest.mark.parametrize("seed", range(3))
def test_equals_scipy_on_one_setting(seed):
    """`scipy.stats.permutation_test` of paired samples gives the same exact p-value."""
    rng = np.random.default_rng(seed)
    one, other = rng.random(11), rng.random(11) * 0.8

    def statistic(x, y):
        return abs(np.mean(x - y))

    expected = permutation_test(
        (one, other), statistic, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    ).pvalue
    found = sign_flip_test(differences((one - other)[:, None]))
    assert found.p[0] == pytest.approx(expected)
    assert found.macro == found.adjusted[0] == found.p[0]


def test_two_hundred_problems_with_ties_equal_scipys():
    """Differences of few whole numbers, zeros among them, tie in most sign patterns: still scipy's exact p-values."""
    rng = np.random.default_rng(2)

    def statistic(x, y, axis):
        return abs(np.sum(x - y, axis=axis))

    found, expected = [], []
    for _ in range(200):
        one, other = rng.integers(0, 3, size=(2, int(rng.integers(2, 9)))).astype(float)
        found.append(sign_flip_test(differences((one - other)[:, None])).p[0])
        scipys = permutation_test(
            (one, other), statistic, permutation_type="samples", n_resamples=np.inf, alternative="greater",
            vectorized=True,
        )  # fmt: skip
        expected.append(scipys.pvalue)
    assert found == pytest.approx(expected, abs=1e-12)
    assert len(set(found)) > 20


def test_random_flips_come_close_to_all_of_them():
    """With more questions than can be flipped in all ways, p-values are those of the definition up to chance."""
    values = drawn(np.random.default_rng(5), 16, 4, shift=0.3).values
    exact = sign_flip_test(differences(values))
    more = np.concatenate([values, np.full((1, 4), 1e-15)])  # a question that changes nothing but the number
    found = sign_flip_test(differences(more), 40_000)
    assert (exact.exact, found.exact, found.draws) == (True, False, 40_000)
    assert found.p == pytest.approx(exact.p, abs=0.01)
    assert found.adjusted == pytest.approx(exact.adjusted, abs=0.01)


def test_seeds():
    """The same seed, the same p-values; never 0."""
    data = drawn(np.random.default_rng(0), 40, 3, shift=2.0)
    one, again, other = (sign_flip_test(data, 500, seed) for seed in (1, 1, 2))
    assert one.p.tolist() == again.p.tolist()
    assert one.p.min() == pytest.approx(1 / 501)
    weak = drawn(np.random.default_rng(0), 40, 3)
    assert sign_flip_test(weak, 500, 1).p.tolist() != sign_flip_test(weak, 500, 2).p.tolist()
    assert other.draws == 500


def test_no_difference_anywhere():
    """Two models with equal scores: every p-value is 1."""
    found = sign_flip_test(differences(np.zeros((5, 3))))
    assert found.p.tolist() == found.adjusted.tolist() == [1.0, 1.0, 1.0]
    assert (found.macro, found.draws, found.exact) == (1.0, 1, True)


def test_false_positive_rates_under_the_null():
    """Clustered questions, no difference: as many false rejections as promised, for one setting, mean and family.

    A t-test that takes all scores for independent rejects far too often on the same data.
    """
    rng = np.random.default_rng(7)
    rounds = 600
    single = family = mean = naive_mean = 0
    for number in range(rounds):
        data = drawn(rng, 24, 8)
        found = sign_flip_test(data, 199, number)
        single += found.p[0] <= 0.05
        mean += found.macro <= 0.05
        family += found.adjusted.min() <= 0.05
        naive_mean += ttest_1samp(data.values.ravel(), 0).pvalue <= 0.05
    for rejected in (single, mean, family):
        assert binomtest(int(rejected), rounds, 0.05).pvalue > 1e-3
    assert naive_mean / rounds > 0.2


def test_p_values_are_uniform_under_the_null():
    """At every level, not at 0.05 alone."""
    rng = np.random.default_rng(8)
    found = [sign_flip_test(drawn(rng, 24, 3), 199, number).macro for number in range(500)]
    for level in (0.1, 0.25, 0.5, 0.75):
        assert binomtest(sum(p <= level for p in found), len(found), level).pvalue > 1e-3
