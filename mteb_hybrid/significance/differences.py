"""What two models differ by, question by question: the one input of all tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairedDifferences:
    """Differences of one metric between two models, a row for each question, a column for each setting.

    A question is what its translations share, so that its row is one observation: the scores in it hang together and
    are never resampled apart.

    Attributes:
        questions: Ids of the questions.
        settings: Names of the settings, such as ``de-en``.
        values: float64, shape (questions, settings): first model less second; 0 where a setting lacks a question.
        present: bool, the same shape: which settings have which questions. Each setting has at least one.
    """

    questions: tuple[str, ...]
    settings: tuple[str, ...]
    values: NDArray[np.float64]
    present: NDArray[np.bool_]

    @classmethod
    def between(
        cls, first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
    ) -> PairedDifferences:
        """Differences of scores by setting and question.

        Args:
            first: Setting to question to score.
            second: The same settings and questions of the other model.

        Raises:
            ValueError: Settings or questions are not the same, there are none, or a score is not finite.
        """
        if set(first) != set(second) or not first:
            raise ValueError(f"both models need the same settings: {sorted(first)} and {sorted(second)}")
        settings = tuple(sorted(first))
        questions = tuple(sorted({question for setting in settings for question in first[setting]}))
        row = {question: number for number, question in enumerate(questions)}
        values = np.zeros((len(questions), len(settings)))
        present = np.zeros((len(questions), len(settings)), dtype=np.bool_)
        for column, setting in enumerate(settings):
            one, other = first[setting], second[setting]
            if one.keys() != other.keys() or not one:
                odd = ", ".join(map(shown, sorted(one.keys() ^ other.keys())[:3])) or "any"
                raise ValueError(f"{setting}: both models need the same questions; only one has {odd}")
            rows = np.array([row[question] for question in one])
            values[rows, column] = [one[question] - other[question] for question in one]
            present[rows, column] = True
        if not np.isfinite(values).all():
            raise ValueError("scores must be finite numbers")
        return cls(questions, settings, values, present)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Questions of each setting, int64, shape (settings,)."""
        counts: NDArray[np.int64] = self.present.sum(axis=0, dtype=np.int64)
        return counts

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean difference of each setting, float64, shape (settings,)."""
        means: NDArray[np.float64] = self.contributions.sum(axis=0)
        return means

    @property
    def contributions(self) -> NDArray[np.float64]:
        """What each question adds to the mean difference of each setting, float64, shape (questions, settings)."""
        shares: NDArray[np.float64] = self.values / self.counts
        return shares

    @property
    def macro(self) -> float:
        """Mean over settings of the mean differences: the difference of macro-averaged scores."""
        return float(self.means.mean())

    @property
    def effect(self) -> float | None:
        """Standardised difference: macro difference by the standard deviation of the questions' contributions to it.

        Cohen's d for paired observations, with a question as an observation. None if there are less than two questions,
        or all contribute alike.
        """
        each = self.contributions.mean(axis=1) * len(self.questions)
        spread = float(each.std(ddof=1)) if len(each) > 1 else 0.0
        return float(each.mean()) / spread if spread > 1e-12 else None

    def strata(self) -> NDArray[np.int64]:
        """Questions that exist in the same settings, as numbers of strata, int64, shape (questions,)."""
        _, stratum = np.unique(np.packbits(self.present, axis=1), axis=0, return_inverse=True)
        return np.asarray(stratum, dtype=np.int64).reshape(-1)
