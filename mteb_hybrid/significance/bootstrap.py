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
_SMALL = 30
"""Strata of fewer questions are drawn from together: apart, they would hardly vary."""


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

    Questions are drawn with replacement among those that exist in the same settings, such as those of one language
    where questions have no translations; kinds of questions of which there are few are drawn from together. A setting
    is averaged over those of its questions that were drawn, and left out of a sample in which there are none.

    Args:
        differences: Of all settings.
        confidence: Coverage, in (0, 1).
        draws: Samples of questions.
        seed: Of the samples.
    """
    rng = np.random.default_rng(seed)
    values, present = differences.values, differences.present.astype(np.float64)
    settings = values.shape[1]
    groups = _groups(differences.strata())
    found = np.empty((draws, settings + 1))
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        sums, counts = np.zeros((size, settings)), np.zeros((size, settings))
        for group in groups:
            times = rng.multinomial(len(group), np.full(len(group), 1.0 / len(group)), size=size)
            sums += times @ values[group]
            counts += times @ present[group]
        means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        found[start : start + size] = np.column_stack([means, np.nanmean(means, axis=1)])
    tail = (1.0 - confidence) / 2.0
    low, high = np.nanquantile(found, [tail, 1.0 - tail], axis=0)
    return Intervals(low[:-1], high[:-1], float(low[-1]), float(high[-1]))


def _groups(strata: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of the questions that are drawn from together: large strata each alone, all small ones as one."""
    sizes = np.bincount(strata)
    merged = np.where(sizes[strata] < _SMALL, -1, strata)
    return [np.flatnonzero(merged == number) for number in np.unique(merged)]
