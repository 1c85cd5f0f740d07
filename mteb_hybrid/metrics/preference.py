"""Which of the relevant passages come first: those in the language of the question?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.metrics.per_query import PerQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.metrics.ranks import QueryRanks

_UNDEFINED = "no relevant passages in the question's language and another one"


def language_preference(ranks: QueryRanks, query_language: int) -> PerQuery:
    """1 where the first relevant passage is in the question's language, else 0; near 1/m is neutral.

    The idea is that of MLAIRE (arXiv 2605.07249). Defined for parallel relevant passages that include the question's
    language: at least one in it, and at least one in another one.

    Args:
        ranks: Ranks over the whole pool, with languages.
        query_language: The question's language.

    Returns:
        Values 0 or 1.
    """
    defined, own, first = _own(ranks, query_language)
    value = np.zeros(ranks.queries)
    value[defined] = own[first[defined]]
    return PerQuery.where(defined, value, _UNDEFINED)


def language_preference_excess(ranks: QueryRanks, query_language: int) -> PerQuery:
    """`language_preference` minus what a ranking blind to language has: 1/m for m translations; near 0 is neutral.

    With several relevant passages in the question's language, it is their share of the m relevant ones.

    Returns:
        Values in [-s, 1 - s] for that share s; above 0 the question's language is preferred, below 0 the others are.
    """
    own = ranks.sum_by_query((ranks.languages() == query_language).astype(np.float64))
    return language_preference(ranks, query_language).minus(own / np.maximum(ranks.counts(), 1))


def mean_rank_by_language(ranks: QueryRanks, languages: Sequence[str]) -> dict[str, float]:
    """Mean rank of the relevant passages of each language; a lower one is a favoured language.

    Args:
        ranks: Ranks over the whole pool, with languages as positions in ``languages``.
        languages: Names of the languages.

    Returns:
        Language to mean rank, in [1, pool size]; a language without relevant passages is absent.
    """
    counts = np.bincount(ranks.languages(), minlength=len(languages))
    sums = np.bincount(ranks.languages(), weights=ranks.rank, minlength=len(languages))
    return {name: float(sums[i] / counts[i]) for i, name in enumerate(languages) if counts[i]}


def single_target_average_precision(ranks: QueryRanks, target: int) -> PerQuery:
    """Average precision if only the relevant passages of one target language stayed in the pool; higher is better.

    The other relevant passages leave the pool, so each one above moves the target's up by a place (LAReQA, arXiv
    2004.05484, calls this single-answer retrieval). For one relevant passage a language it is 1 / rank. Undefined
    where the target language has no relevant passage.

    Args:
        ranks: Ranks over the whole pool, with languages.
        target: The target language.

    Returns:
        Values in (0, 1].
    """
    hit = (ranks.languages() == target).astype(np.float64)
    counts = ranks.counts()
    running = hit.cumsum()
    some = counts > 0
    before = running - np.repeat((running - hit)[(counts.cumsum() - counts)[some]], counts[some])
    removed = ranks.place() - before  # relevant passages of other languages at or above
    precision = hit * before / (ranks.rank - removed).clip(1)
    hits = ranks.sum_by_query(hit)
    defined = hits > 0
    return PerQuery.where(
        defined, ranks.sum_by_query(precision) / np.maximum(hits, 1), "no relevant passage in the target language"
    )


@dataclass(frozen=True, slots=True)
class SingleTargetMap:
    """Means of `single_target_average_precision`, question language by target language.

    Attributes:
        cell: (question language, target language) to the mean over its questions, in (0, 1].
    """

    cell: Mapping[tuple[str, str], float]

    def mean(self) -> float | None:
        """Mean of all cells."""
        return _mean(list(self.cell.values()))

    def same(self) -> float | None:
        """Mean of the diagonal: the answer in the question's language."""
        return _mean([value for (query, target), value in self.cell.items() if query == target])

    def other(self) -> float | None:
        """Mean off the diagonal: the answer in another language."""
        return _mean([value for (query, target), value in self.cell.items() if query != target])

    def gap(self) -> float | None:
        """Diagonal minus off-diagonal, in [-1, 1]: how much easier the question's own language is; near 0 is fair."""
        same, other = self.same(), self.other()
        return None if same is None or other is None else same - other


def single_target_map(ranks: Mapping[str, QueryRanks], languages: Sequence[str]) -> SingleTargetMap:
    """The matrix of LAReQA's single-answer retrieval, from the pooled ranks alone: nothing is ranked again.

    Args:
        ranks: Question language to the pooled ranks of its questions, with languages as positions in ``languages``.
        languages: Names of the languages.
    """
    cell = {
        (query, target): mean
        for query, one in ranks.items()
        for position, target in enumerate(languages)
        if (mean := single_target_average_precision(one, position).mean()) is not None
    }
    return SingleTargetMap(cell)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _own(ranks: QueryRanks, query_language: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Per query: is the preference defined; per pair: is it in the query's language; per query: its first pair."""
    own = ranks.languages() == query_language
    counts = ranks.counts()
    in_own = ranks.sum_by_query(own.astype(np.float64))
    return (in_own > 0) & (in_own < counts), own, counts.cumsum() - counts
