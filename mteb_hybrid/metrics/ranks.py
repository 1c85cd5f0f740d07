"""The one input of all metrics: the ranks of each query's relevant passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class QueryRanks:
    """Ranks of relevant passages, grouped by query, best first.

    Attributes:
        query: int64, shape (pairs,), ascending: the query of each (query, relevant passage) pair.
        rank: int64, shape (pairs,), in [1, pool_size]; ascending within a query, and no rank twice.
        grade: float64, shape (pairs,), positive: relevance grade of each pair.
        queries: Number of queries, those without relevant passages included.
        pool_size: Number of passages that were ranked.
        language: int64, shape (pairs,): language of each pair's passage, as a position in whatever list of languages
            the caller has; None where it is not known.
    """

    query: NDArray[np.int64]
    rank: NDArray[np.int64]
    grade: NDArray[np.float64]
    queries: int
    pool_size: int
    language: NDArray[np.int64] | None = None

    @classmethod
    def from_pairs(
        cls,
        query: NDArray[np.int64],
        rank: NDArray[np.int64],
        *,
        queries: int,
        pool_size: int,
        grade: NDArray[np.float64] | None = None,
        language: NDArray[np.int64] | None = None,
    ) -> QueryRanks:
        """Sort pairs given in any order.

        Raises:
            ValueError: A rank outside of [1, pool_size], a rank twice within a query, a query outside of
                [0, queries), a grade that is not positive, or not one language for each pair.
        """
        if language is not None and len(language) != len(query):
            raise ValueError(f"the number of languages ({len(language)}) is not that of pairs ({len(query)})")
        grade = np.ones(len(query)) if grade is None else grade
        order = np.lexsort((rank, query))
        query, rank, grade = query[order], rank[order], np.asarray(grade, dtype=np.float64)[order]
        if len(rank) and not (rank.min() >= 1 and rank.max() <= pool_size):
            raise ValueError(f"ranks must lie in [1, {pool_size}], not in [{rank.min()}, {rank.max()}]")
        if len(query) and not (query.min() >= 0 and query.max() < queries):
            raise ValueError(f"queries must lie in [0, {queries}), not in [{query.min()}, {query.max()}]")
        if bool(((query[1:] == query[:-1]) & (rank[1:] == rank[:-1])).any()):
            raise ValueError("two relevant passages of one query have the same rank")
        if not bool((grade > 0).all()):
            raise ValueError("grades must be positive; leave out what is not relevant")
        language = None if language is None else np.asarray(language, dtype=np.int64)[order]
        return cls(query=query, rank=rank, grade=grade, queries=queries, pool_size=pool_size, language=language)

    def counts(self) -> NDArray[np.int64]:
        """Relevant passages per query, int64, shape (queries,)."""
        return np.bincount(self.query, minlength=self.queries).astype(np.int64)

    def languages(self) -> NDArray[np.int64]:
        """Language of each pair's passage, int64, shape (pairs,).

        Raises:
            ValueError: The languages are not known.
        """
        if self.language is None:
            raise ValueError("these ranks have no languages, which this metric needs")
        return self.language

    def place(self) -> NDArray[np.int64]:
        """1, 2, 3, ... within each query: how many relevant passages stand at or above each one; shape (pairs,)."""
        counts = self.counts()
        return np.arange(len(self.query)) - np.repeat(counts.cumsum() - counts, counts) + 1

    def sum_by_query(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of a value per pair within each query, float64, shape (queries,)."""
        return np.bincount(self.query, weights=values, minlength=self.queries).astype(np.float64)
