"""What the figures of a report show, as numbers: language by language, whatever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.reporting.columns import columns_of, main_score

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mteb_hybrid.reporting.columns import Column
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


@dataclass(frozen=True, slots=True)
class CollectionView:
    """All that figures of one collection are drawn from; by the models' labels, and only of those that have it.

    Attributes:
        models: Labels of all models; a model's place among them is its colour.
        columns: The columns of its tables.
        matrices: Scores by query and passage language.
        ranks: Mean rank of the right answer by passage language.
        distances: Models whose rank distances of single queries are known.
        lists: Models whose lists are known.
    """

    models: tuple[str, ...]
    columns: tuple[Column, ...]
    matrices: dict[str, LanguageMatrix]
    ranks: dict[str, dict[str, float]]
    distances: dict[str, PooledQueries]
    lists: dict[str, PooledQueries]

    @classmethod
    def of(cls, members: Sequence[ModelSummary]) -> CollectionView:
        """The view of the models of one collection."""
        columns = columns_of(members)
        score = main_score(columns, "CrossLingual")
        known = {one.label: one.queries for one in members if one.queries is not None}
        return cls(
            models=tuple(one.label for one in members),
            columns=columns,
            matrices={one.label: found for one in members if (found := language_matrix(one, score)) is not None},
            ranks={one.label: ranks for one in members if (ranks := mean_ranks(one))},
            distances={label: queries for label, queries in known.items() if queries.excess_distance},
            lists={label: queries for label, queries in known.items() if queries.top},
        )

    def scale(self) -> tuple[float, float]:
        """Ends of the colour scale of all matrices: their lowest and highest values; 0 and 1 if all are alike."""
        values = [value for matrix in self.matrices.values() for value in matrix.cells.values()]
        low, high = min(values, default=0.0), max(values, default=1.0)
        return (low, high) if low < high else (0.0, 1.0)

    def pool_share(self) -> dict[str, float]:
        """Share of each language in the pool; all models search the same one."""
        return next(iter(self.lists.values())).pool_share() if self.lists else {}

    def languages(self) -> list[str]:
        """Every language that a figure may name, sorted."""
        pairs = {pair for matrix in self.matrices.values() for pair in matrix.cells}
        pools = {language for queries in (*self.lists.values(), *self.distances.values()) for language in queries.pool}
        ranked = {language for ranks in self.ranks.values() for language in ranks}
        return sorted({language for pair in pairs for language in pair} | pools | ranked)


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

    Who is favoured: where all questions have an answer in every language, one whose answers stand further up. Empty
    where there are no pooled results, or passages are no translations of each other.
    """
    subsets = summary.scores.get("Multilingual", {}).values()
    names = sorted({name for scores in subsets for name in scores if name.startswith(_MEAN_RANK)})
    means = {name.removeprefix(_MEAN_RANK): summary.mean("Multilingual", name) for name in names}
    return {language: mean for language, mean in means.items() if mean is not None}


@dataclass(frozen=True, slots=True)
class SeenScore:
    """A score over some subsets of a setting.

    Attributes:
        subsets: Names of the subsets.
        value: Their mean.
    """

    subsets: tuple[str, ...]
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
    if len({language in trained_on for language in summary.languages_run()}) < 2:
        return {}
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for subset, scores in summary.scores.get(setting, {}).items():
        query, _, passage = subset.partition("-")
        searched = "all" if setting == "Multilingual" else _side(passage or query, trained_on)
        if score in scores:
            groups.setdefault((_side(query, trained_on), searched), {})[subset] = scores[score]
    return {
        sides: SeenScore(tuple(sorted(values)), sum(values.values()) / len(values))
        for sides, values in sorted(groups.items())
    }


def distance_edges(models: Sequence[PooledQueries]) -> list[int]:
    """Edges of the intervals (edge, next edge] in which the excess rank distances of some models are counted.

    The first interval holds perfect rankings alone; the others are each about 3.2 times as wide as the one before, and
    the last one ends at the size of the pool.
    """
    worst = max(sum(model.pool.values()) for model in models)
    steps = (round(10 ** (half / 2)) for half in range(1, 20))
    return [-1, 0, *(step for step in steps if step < worst), worst]


def _side(language: str, trained_on: Collection[str]) -> str:
    return "seen" if language in trained_on else "unseen"
