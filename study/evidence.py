"""What the results say: scores of arms over seeds, and differences between arms with their significance.

Arms of one name and several seeds are a group. Two groups are compared by `mteb_hybrid.significance`, as the command
``mteb-hybrid compare`` does: once on scores averaged over the seeds, question by question, which gives the difference,
its interval and its p-value, and once for each seed, which tells whether the difference is there every time.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.reporting import read_across, read_results, summarise
from mteb_hybrid.significance import ModelScores, compare, read_scores
from mteb_hybrid.significance.adjust import holm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from plan import Arm

    from mteb_hybrid.reporting import ModelSummary
    from mteb_hybrid.significance import SettingComparison

DRAWS, SAMPLES = 10_000, 2_000
"""Sign patterns and bootstrap samples: p-values have a floor of 1e-4."""
LEVEL = 0.05


@dataclass(frozen=True)
class Group:
    """Arms that differ in their seed alone.

    Attributes:
        results: Folder with the results of all arms.
        arms: The arms, by seed; those that are not scored are left out.
    """

    results: Path
    arms: tuple[Arm, ...]

    @cached_property
    def summaries(self) -> list[ModelSummary]:
        """Means over subsets, of every seed."""
        return [_summary(self.results / arm.id) for arm in self.arms]

    def values(self, score: Callable[[ModelSummary], float | None]) -> list[float]:
        """One score of every seed; those that lack it are left out."""
        found = map(score, self.summaries)
        return [value for value in found if value is not None]

    def queries(self, metric: str, setting: str, subsets: Iterable[str] | None = None) -> list[ModelScores]:
        """A metric of single queries in one setting, of every seed."""
        found = []
        for arm in self.arms:
            (one,) = read_scores([self.results / arm.id / "predictions"], metric)
            ((family, scores),) = ((key, value) for key, value in one.scores.items() if key[1] == setting)
            kept = {name: scores[name] for name in (scores if subsets is None else subsets)}
            found.append(ModelScores(arm.id, one.revision, scores={family: kept}, data=one.data))
        return found


@dataclass(frozen=True)
class Contrast:
    """A difference that a question asks for: first less second.

    Attributes:
        first: Names of a group: what the table calls it, and the group.
        second: The other one.
        metric: As ``mteb-hybrid compare`` has it.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        subsets: Subsets that are averaged. Default: all.
        note: What to call them.
    """

    first: tuple[str, Group]
    second: tuple[str, Group]
    metric: str
    setting: str
    subsets: tuple[str, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """What came out.

    Attributes:
        contrast: What was asked.
        mean: The comparison of scores that are averaged over the seeds.
        seeds: Difference and p-value of each seed.
        p: p-value of the mean, adjusted over all contrasts of the table by Holm's method.
    """

    contrast: Contrast
    mean: SettingComparison
    seeds: tuple[tuple[float, float], ...]
    p: float = field(default=1.0)

    @property
    def agreeing(self) -> int:
        """Seeds whose difference has the mean's sign."""
        return sum(difference * self.mean.difference > 0 for difference, _ in self.seeds)

    @property
    def holds(self) -> bool:
        """Whether the difference is significant over questions and has the same sign with every seed."""
        return self.p <= LEVEL and self.agreeing == len(self.seeds)


def findings(contrasts: Sequence[Contrast]) -> list[Finding]:
    """The contrasts of one table, which are one family of tests; those of groups without results are left out."""
    found = [_compare(one) for one in contrasts if one.first[1].arms and one.second[1].arms]
    adjusted = holm(np.array([one.mean.p for one in found])) if found else []
    return [Finding(one.contrast, one.mean, one.seeds, float(p)) for one, p in zip(found, adjusted, strict=True)]


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation over seeds, with n - 1; None of a single one."""
    return statistics.stdev(values) if len(values) > 1 else None


def _compare(contrast: Contrast) -> Finding:
    first, second = (
        group.queries(contrast.metric, contrast.setting, contrast.subsets)
        for _, group in (contrast.first, contrast.second)
    )
    shared = _by_seed(contrast.first[1], first, contrast.second[1], second)
    averaged = _average([one for one, _ in shared]), _average([other for _, other in shared])
    (mean,) = compare(*averaged, contrast.metric, draws=DRAWS, samples=SAMPLES)
    seeds = []
    for one, other in shared:
        (single,) = compare(one, other, contrast.metric, draws=DRAWS, samples=2)
        seeds.append((single.mean.difference, single.mean.p))
    return Finding(contrast, mean.mean, tuple(seeds))


def _by_seed(
    one: Group, first: list[ModelScores], other: Group, second: list[ModelScores]
) -> list[tuple[ModelScores, ModelScores]]:
    """Scores of the same seed; an initialiser, which has none, is compared with every seed."""
    if len(first) == 1 or len(second) == 1:
        count = max(len(first), len(second))
        return list(zip(first * (count // len(first)), second * (count // len(second)), strict=True))
    partner = {arm.seed: scores for arm, scores in zip(other.arms, second, strict=True)}
    return [(scores, partner[arm.seed]) for arm, scores in zip(one.arms, first, strict=True) if arm.seed in partner]


def _average(seeds: Sequence[ModelScores]) -> ModelScores:
    """The mean over seeds of every question's score."""
    first = seeds[0]
    scores = {
        family: {
            subset: {
                question: sum(one.scores[family][subset][question] for one in seeds) / len(seeds)
                for question in questions
            }
            for subset, questions in subsets.items()
        }
        for family, subsets in first.scores.items()
    }
    return ModelScores(f"{first.model} and other seeds", first.revision, scores=scores, data=first.data)


def _summary(folder: Path) -> ModelSummary:
    (summary,) = summarise(read_results(folder / "results"), read_across([folder / "predictions"]))
    return summary
