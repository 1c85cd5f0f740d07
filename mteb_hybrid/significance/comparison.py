"""Two models in all settings of a collection: differences, intervals, p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.significance import bootstrap, flips
from mteb_hybrid.significance.adjust import holm
from mteb_hybrid.significance.bootstrap import bootstrap_intervals
from mteb_hybrid.significance.differences import PairedDifferences
from mteb_hybrid.significance.flips import sign_flip_test

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mteb_hybrid.significance.bootstrap import Intervals
    from mteb_hybrid.significance.flips import FlipTest
    from mteb_hybrid.significance.scores import ModelScores

Adjustment = Literal["max-t", "holm"]


@dataclass(frozen=True, slots=True)
class SettingComparison:
    """Two models in one setting, or in the mean over settings.

    Attributes:
        name: Subset, such as ``de-en``; ``mean`` for the mean over settings.
        questions: Number of questions.
        first: The first model's score.
        second: The second model's score.
        low: Lower end of the 95 % interval of ``first - second``.
        high: Its upper end.
        p: p-value on its own.
        max_t: p-value adjusted over all settings by Westfall and Young's max-T; for the mean the same as ``p``.
        holm: The same by Holm's method.
    """

    name: str
    questions: int
    first: float
    second: float
    low: float
    high: float
    p: float
    max_t: float
    holm: float

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second

    def adjusted(self, method: Adjustment) -> float:
        """p-value over all settings by one of the methods."""
        return self.max_t if method == "max-t" else self.holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on one metric, one collection and one kind of setting: one family of tests.

    Attributes:
        collection: Task family, such as ``XQuADR``.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        metric: Name of the metric.
        first: The first model.
        second: The second one.
        mean: The mean over settings.
        effect: Its standardised difference; None where it is not defined.
        settings: Every setting.
        left_out: Settings that only one of the models has.
        draws: Sign patterns tried.
        exact: Whether these were all there are.
        seed: Of all that is drawn.
        p_over_pairs: p-value of the mean over settings, adjusted over all pairs of models that are compared.
        pairs: How many there are.
    """

    collection: str
    setting: str
    metric: str
    first: str
    second: str
    mean: SettingComparison
    effect: float | None
    settings: tuple[SettingComparison, ...]
    left_out: tuple[str, ...]
    draws: int
    exact: bool
    seed: int
    p_over_pairs: float
    pairs: int = 1


def compare(
    first: ModelScores,
    second: ModelScores,
    metric: str = "map",
    *,
    draws: int = flips.DRAWS,
    samples: int = bootstrap.DRAWS,
    seed: int = 0,
) -> list[Comparison]:
    """Compare two models wherever both have results.

    Args:
        first: Scores of the first model.
        second: Scores of the second one, of the same metric.
        metric: The metric's name.
        draws: Sign patterns of the test.
        samples: Samples of the bootstrap.
        seed: Of both.

    Raises:
        ResultsError: They have no setting in common, or their results are of different data.
    """
    comparisons = []
    for family in sorted(first.scores.keys() & second.scores.keys()):
        one, other = first.scores[family], second.scores[family]
        shared = sorted(one.keys() & other.keys())
        for subset in shared:
            here, there = first.data[(*family, subset)], second.data[(*family, subset)]
            if here != there:
                raise ResultsError(
                    f"{''.join(family)} {subset}: {first.model} and {second.model} were run on different data "
                    f"({here}; {there}); run the older one again"
                )
        if not shared:
            continue
        try:
            differences = PairedDifferences.between(
                {subset: one[subset] for subset in shared}, {subset: other[subset] for subset in shared}
            )
        except ValueError as error:
            raise ResultsError(f"{''.join(family)}: {error}; run both on the same data") from error
        test = sign_flip_test(differences, draws, seed)
        rows = _rows(one, other, differences, test, bootstrap_intervals(differences, draws=samples, seed=seed))
        comparisons.append(
            Comparison(
                collection=family[0],
                setting=family[1],
                metric=metric,
                first=first.label,
                second=second.label,
                mean=rows[0],
                effect=differences.effect,
                settings=tuple(rows[1:]),
                left_out=tuple(sorted(one.keys() ^ other.keys())),
                draws=test.draws,
                exact=test.exact,
                seed=seed,
                p_over_pairs=rows[0].p,
            )
        )
    if not comparisons:
        raise ResultsError(f"{first.model} and {second.model} have no task and subset in common: run both on the same")
    return comparisons


def _rows(
    first: Mapping[str, Mapping[str, float]],
    second: Mapping[str, Mapping[str, float]],
    differences: PairedDifferences,
    test: FlipTest,
    intervals: Intervals,
) -> list[SettingComparison]:
    """The mean over settings, then every setting."""
    by_holm, counts = holm(test.p), differences.counts
    rows = [
        SettingComparison(
            name=name,
            questions=int(counts[number]),
            first=float(np.mean(list(first[name].values()))),
            second=float(np.mean(list(second[name].values()))),
            low=float(intervals.low[number]),
            high=float(intervals.high[number]),
            p=float(test.p[number]),
            max_t=float(test.adjusted[number]),
            holm=float(by_holm[number]),
        )
        for number, name in enumerate(differences.settings)
    ]
    mean = SettingComparison(
        name="mean",
        questions=len(differences.questions),
        first=float(np.mean([row.first for row in rows])),
        second=float(np.mean([row.second for row in rows])),
        low=intervals.macro_low,
        high=intervals.macro_high,
        p=test.macro,
        max_t=test.macro,
        holm=test.macro,
    )
    return [mean, *rows]
