"""What the results say: scores of arms over seeds, and differences between arms with their significance.

Arms of one name and several seeds are a group. Scores of single questions are averaged over the seeds of a group. Two
kinds of chance are looked at apart:

- other questions: p-values of `mteb_hybrid.significance`'s sign-flip test of the mean over settings, over questions, as
  ``mteb-hybrid compare`` has it, and over paragraphs, whose questions share passages; intervals are a bootstrap over
  paragraphs;
- other seeds: in how many pairs of trainings the difference has the same sign.
"""

from __future__ import annotations

import functools
import itertools
import json
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.reporting import read_results, summarise
from mteb_hybrid.significance import PairedDifferences, holm, read_scores, sign_flip_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from plan import Arm

    from mteb_hybrid.reporting import ModelSummary

LEVEL = 0.05
SAMPLES = 10_000
Questions = dict[str, dict[str, float]]
"""Subset to question to score."""


@dataclass(frozen=True)
class ArmScores:
    """Scores of one arm, averaged over questions.

    Attributes:
        summary: From MTEB's JSON.
        across: Those that take all query languages at once, by name.
    """

    summary: ModelSummary
    across: Mapping[str, float]

    def mean(self, setting: str, score: str, subsets: Iterable[str] | None = None) -> float | None:
        """Mean of a score over the subsets of a setting, or some of them; None if it is not there."""
        if subsets is None:
            return self.summary.mean(setting, score)
        found = self.summary.scores[setting]
        return statistics.fmean(found[name][score] for name in subsets)

    def pooled(self, score: str) -> float | None:
        """The same of the pooled setting, also of a score that takes all query languages at once."""
        mean = self.mean("Multilingual", score)
        return self.across.get(score) if mean is None else mean


@dataclass(frozen=True)
class Group:
    """Arms that differ in their seed alone.

    Attributes:
        results: Folder with the results of all arms.
        arms: The arms, by seed; those that are not scored are left out.
    """

    results: Path
    arms: tuple[Arm, ...]

    def values(self, score: Callable[[ArmScores], float | None]) -> list[float]:
        """One score of every seed; those that lack it are left out."""
        found = [score(_arm_scores(self.results / arm.id)) for arm in self.arms]
        return [value for value in found if value is not None]

    def queries(self, metric: str, setting: str) -> list[Questions]:
        """A metric of single queries in one setting, of every seed."""
        return [_questions(self.results / arm.id, metric, setting) for arm in self.arms]


@dataclass(frozen=True)
class Contrast:
    """A difference that a question asks for: of two groups, or of two differences.

    Attributes:
        plus: What the table calls a group, and the group; one, or two.
        minus: As many others; the difference is the sum of ``plus`` less the sum of ``minus``.
        metric: As ``mteb-hybrid compare`` has it.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        subsets: Subsets that are averaged. Default: all.
        less: Subsets whose mean is taken off; the questions must be the same in all of them.
        note: What to call the subsets.
    """

    plus: tuple[tuple[str, Group], ...]
    minus: tuple[tuple[str, Group], ...]
    metric: str
    setting: str
    subsets: tuple[str, ...] | None = None
    less: tuple[str, ...] = ()
    note: str = ""

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups."""
        return tuple(group for _, group in (*self.plus, *self.minus))

    def scores(self, group: Group) -> list[Questions]:
        """Scores of a group's seeds that the difference is taken of."""
        found = group.queries(self.metric, self.setting)
        if self.subsets is not None:
            found = [{name: one[name] for name in (*self.subsets, *self.less)} for one in found]
        if not self.less:
            return found
        return [{"mean": _less(one, self.subsets or (), self.less)} for one in found]


@dataclass(frozen=True)
class Finding:
    """What came out.

    Attributes:
        contrast: What was asked.
        difference: Mean over settings, of scores that are averaged over the seeds.
        low: Lower end of its 95 % interval, a bootstrap over paragraphs.
        high: Its upper end.
        p: p-value over paragraphs, adjusted over all contrasts of the table by Holm's method.
        p_compare: p-value over questions, as ``mteb-hybrid compare`` has it, not adjusted.
        agreeing: Combinations of trainings, one of each group, whose difference has the same sign.
        combinations: How many there are.
    """

    contrast: Contrast
    difference: float
    low: float
    high: float
    p: float
    p_compare: float
    agreeing: int
    combinations: int

    @property
    def holds(self) -> bool:
        """Whether the difference is significant over questions and paragraphs, and there whatever the seeds."""
        return max(self.p, self.p_compare) <= LEVEL and self.agreeing == self.combinations


def findings(contrasts: Sequence[Contrast], paragraphs: Mapping[str, int]) -> list[Finding]:
    """The contrasts of one table, which are one family of tests; those of groups without results are left out.

    Args:
        contrasts: What is asked.
        paragraphs: Number of the paragraph of each question.
    """
    found = [_find(one, paragraphs) for one in contrasts if all(group.arms for group in one.groups)]
    adjusted = holm(np.array([one.p for one in found])) if found else []
    return [replace(one, p=float(p)) for one, p in zip(found, adjusted, strict=True)]


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation over seeds, with n - 1; None of a single one."""
    return statistics.stdev(values) if len(values) > 1 else None


def _find(contrast: Contrast, paragraphs: Mapping[str, int]) -> Finding:
    signed = [(sign, contrast.scores(group)) for sign, side in ((1, contrast.plus), (-1, contrast.minus))
              for _, group in side]  # fmt: skip
    first, second = (_sum([_average(seeds) for sign, seeds in signed if sign == side]) for side in (1, -1))
    rows = PairedDifferences.between(first, second)
    of_question = rows.contributions.mean(axis=1)
    numbers = np.unique([paragraphs[question] for question in rows.questions], return_inverse=True)[1]
    sums, sizes = np.bincount(numbers, of_question), np.bincount(numbers)
    low, high = _interval(sums, sizes)
    means = [[sign * _macro(one) for one in seeds] for sign, seeds in signed]
    differences = [sum(combination) for combination in itertools.product(*means)]
    difference = float(of_question.sum())
    return Finding(
        contrast, difference, low, high, _p(sums), sign_flip_test(rows).macro,
        sum(one * difference > 0 for one in differences), len(differences),
    )  # fmt: skip


def _p(values: NDArray[np.float64]) -> float:
    """p-value of the sign-flip test of a mean of 0; values of shape (observations,)."""
    names = tuple(map(str, range(len(values))))
    column = values[:, None]
    return float(sign_flip_test(PairedDifferences(names, ("mean",), column, np.ones(column.shape, dtype=bool))).macro)


def _interval(sums: NDArray[np.float64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval of the mean over questions, from resampled paragraphs: their sums and numbers of questions."""
    drawn = np.random.default_rng(0).integers(len(sums), size=(SAMPLES, len(sums)))
    means = sizes.sum() * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _average(seeds: Sequence[Questions]) -> Questions:
    """The mean over seeds of every question's score."""
    total = _sum(seeds)
    return {subset: {name: value / len(seeds) for name, value in scores.items()} for subset, scores in total.items()}


def _sum(parts: Sequence[Questions]) -> Questions:
    """Sums question by question; all parts have the same subsets and questions."""
    return {
        subset: {name: sum(part[subset][name] for part in parts) for name in scores}
        for subset, scores in parts[0].items()
    }


def _macro(scores: Questions) -> float:
    """The mean over subsets of the mean over questions."""
    return statistics.fmean(statistics.fmean(questions.values()) for questions in scores.values())


def _less(scores: Questions, subsets: Sequence[str], less: Sequence[str]) -> dict[str, float]:
    """Of every question its mean over some subsets less its mean over others."""
    return {
        name: statistics.fmean(scores[subset][name] for subset in subsets)
        - statistics.fmean(scores[subset][name] for subset in less)
        for name in scores[subsets[0]]
    }


@functools.cache
def _questions(folder: Path, metric: str, setting: str) -> Questions:
    (found,) = read_scores([folder / "predictions"], metric)
    (scores,) = (value for (_, known), value in found.scores.items() if known == setting)
    return scores


@functools.cache
def _arm_scores(folder: Path) -> ArmScores:
    (summary,) = summarise(read_results(folder / "results"))
    across = [json.loads(path.read_text(encoding="utf-8"))["scores"] for path in folder.rglob("*.across.json")]
    return ArmScores(summary, across[0] if across else {})
