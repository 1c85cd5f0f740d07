"""Intervals of mean differences: questions drawn anew, each with its whole row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.significance.differences import PairedDifferences

DRAWS = 10_000
"""Samples of questions."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Intervals:
    """Percentile intervals.

    Attributes:
        low: Lower ends by setting, float64, shape (settings,).
        high: Upper ends, likewise.
        macro_low: Lower end of the mean over settings.
        macro_high: Its upper end.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    macro_low: float
    macro_high: float


def bootstrap_intervals(
    differences: PairedDifferences, confidence: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Intervals:
    """Percentile bootstrap over questions (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

    Questions are drawn with replacement among those that exist in the same settings, so that every setting keeps its
    number of questions; one that is alone in its settings is in every sample.

    Args:
        differences: Of all settings.
        confidence: Coverage, in (0, 1).
        draws: Samples of questions.
        seed: Of the samples.
    """
    rng = np.random.default_rng(seed)
    rows = differences.contributions
    rows = np.column_stack([rows, rows.mean(axis=1)])
    strata = differences.strata()
    members = [np.flatnonzero(strata == number) for number in range(strata.max() + 1)]
    found = np.zeros((draws, rows.shape[1]))
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        for group in members:
            times = rng.multinomial(len(group), np.full(len(group), 1.0 / len(group)), size=size)
            found[start : start + size] += times @ rows[group]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail], axis=0)
    return Intervals(low[:-1], high[:-1], float(low[-1]), float(high[-1]))
