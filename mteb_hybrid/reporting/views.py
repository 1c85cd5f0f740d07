"""What the figures of a report show, as numbers: language by language, whatever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mteb_hybrid.reporting.pooled import PooledQueries
    from mteb_hybrid.reporting.summary import ModelSummary

_MEAN_RANK = "mean_rank_"


@dataclass(frozen=True, slots=True)
class LanguageMatrix:
    """A score for pairs of languages.

    Attributes:
        queries: Query languages, sorted.
        passages: Passage languages, sorted.
        cells: (query language, passage language) to score; pairs that were not run are absent.
    """

    queries: tuple[str, ...]
    passages: tuple[str, ...]
    cells: dict[tuple[str, str], float]


def language_matrix(summary: ModelSummary, score: str = "map") -> LanguageMatrix | None:
    """A score of every query language and passage language: cross-lingual subsets, and monolingual on the diagonal.

    Returns:
        None where the model has no cross-lingual results.
    """
    crossed = {
        (subset.split("-")[0], subset.split("-")[-1]): scores[score]
        for subset, scores in summary.scores.get("CrossLingual", {}).items()
        if score in scores
    }
    if not crossed:
        return None
    alone = {
        (language, language): scores[score]
        for language, scores in summary.scores.get("Monolingual", {}).items()
        if score in scores
    }
    cells = crossed | alone
    return LanguageMatrix(tuple(sorted({q for q, _ in cells})), tuple(sorted({p for _, p in cells})), cells)


def mean_ranks(summary: ModelSummary) -> dict[str, float]:
    """Mean rank of the right answer in each passage language of the pool, macro-averaged over query languages.

    Who is favoured: the right answers are the same, so a language whose ones stand further up is preferred. Empty where
    there are no pooled results, or passages are no translations of each other.
    """
    subsets = summary.scores.get("Multilingual", {}).values()
    names = sorted({name for scores in subsets for name in scores if name.startswith(_MEAN_RANK)})
    means = {name.removeprefix(_MEAN_RANK): summary.mean("Multilingual", name) for name in names}
    return {language: mean for language, mean in means.items() if mean is not None}


@dataclass(frozen=True, slots=True)
class SeenScore:
    """A score over some subsets of a setting.

    Attributes:
        subsets: How many subsets there are.
        value: Their mean.
    """

    subsets: int
    value: float


def seen_scores(
    summary: ModelSummary, trained_on: Collection[str], setting: str, score: str
) -> dict[tuple[str, str], SeenScore]:
    """Macro-averages apart for languages that a model was trained on and those that it was not.

    Args:
        summary: The model.
        trained_on: Languages of its training data.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        score: Name of the score.

    Returns:
        By side of the query language and side of the passage language, each ``seen`` or ``unseen``, or ``all`` for the
        passages of the pooled setting; empty if all languages of the collection are on one side.
    """
    if len({language in trained_on for language in summary.query_languages()}) < 2:
        return {}
    groups: dict[tuple[str, str], list[float]] = {}
    for subset, scores in summary.scores.get(setting, {}).items():
        query, _, passage = subset.partition("-")
        searched = "all" if setting == "Multilingual" else _side(passage or query, trained_on)
        if score in scores:
            groups.setdefault((_side(query, trained_on), searched), []).append(scores[score])
    return {sides: SeenScore(len(values), sum(values) / len(values)) for sides, values in sorted(groups.items())}


def distance_edges(models: Sequence[PooledQueries]) -> list[int]:
    """Edges of the intervals (edge, next edge] in which the rank distances of some models are counted.

    The first interval ends at what a question with an answer in every language has in a perfect ranking; the others
    are each about 3.2 times as wide as the one before, and the last one ends at the size of the pool.
    """
    best = min(len(model.pool) for model in models) - 1
    worst = max(sum(model.pool.values()) for model in models)
    steps = (round(10 ** (half / 2)) for half in range(1, 20))
    return [-1, best, *(step for step in steps if best < step < worst), worst]


def _side(language: str, trained_on: Collection[str]) -> str:
    return "seen" if language in trained_on else "unseen"
