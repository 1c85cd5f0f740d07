"""Ranks in the pool of several languages, kept for the subsets whose ranks are parts of them.

The rank of a passage among the passages of its own language is its rank in the monolingual or cross-lingual subset of
that language. So one pass over the pool ranks all subsets that ask the same questions, and a run of the monolingual,
cross-lingual and multilingual task of a collection takes one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from mteb.types import PromptType

from mteb_hybrid.embeddings import STORE
from mteb_hybrid.tasks.dense import Embedded, rank_embedded

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.parallel import PoolSubset
    from mteb_hybrid.tasks.pool import Pool
    from mteb_hybrid.tasks.ranked import JudgedQueries, RankedSubset


def rank_subset(embedder: Embedder, subset: PoolSubset, *, top_k: int) -> RankedSubset:
    """Exact ranks of a subset's relevant passages, from one pass for all subsets that ask in its language.

    Args:
        embedder: Of the encoder, on this subset.
        subset: The subset.
        top_k: Length of the lists that it wants.

    Raises:
        EmbeddingError: The model's embeddings cannot be ranked; raised before anything is scored.
    """
    known = _recalled(embedder, subset)
    if known is not None and (part := known.part(subset.data, subset.pool, top_k=top_k)):
        return part
    embedded = Embedded.of(embedder, subset.data, subset.pool)
    if known is None and not top_k and subset.whole is not None and _is_shared(embedder, embedded):
        whole, depth = subset.whole()
        pooled = Embedded.of(embedder, whole.data, whole.pool)
        if _is_shared(embedder, pooled):
            ranked = rank_embedded(embedder, whole.data, whole.pool, pooled, top_k=depth)
            known = _remembered(embedder, subset, PooledRanks.of(ranked, whole.pool))
            if part := known.part(subset.data, subset.pool, top_k=top_k):
                return part
    ranked = rank_embedded(embedder, subset.data, subset.pool, embedded, top_k=top_k)
    if subset.data.pooled and subset.collection is not None and _is_shared(embedder, embedded):
        _remembered(embedder, subset, PooledRanks.of(ranked, subset.pool))
    return ranked


def _is_shared(embedder: Embedder, embedded: Embedded) -> bool:
    """Whether other subsets have the same embeddings, and ranks that follow from them alone."""
    return embedded.similarity is not None and embedder.is_shared()


def _recalled(embedder: Embedder, subset: PoolSubset) -> PooledRanks | None:
    found: PooledRanks | None = STORE.recall(embedder.model, _key(embedder, subset))
    return found


def _remembered(embedder: Embedder, subset: PoolSubset, ranks: PooledRanks) -> PooledRanks:
    STORE.remember(embedder.model, _key(embedder, subset), ranks)
    return ranks


def _key(embedder: Embedder, subset: PoolSubset) -> Hashable:
    encoded = embedder.key(PromptType.query), embedder.key(PromptType.document)
    return ("ranks", subset.collection, subset.data.query_language, *encoded)


@dataclass(frozen=True, slots=True)
class PooledRanks:
    """The ranks of one language's questions in a pool, and what was ranked.

    Attributes:
        ranked: The ranks; counted in each relevant passage's own language too.
        contents: Language to a digest of its passages.
        rows: Language to the rows of its passages, in their order.
        query: Query id to its row.
        pair: int64, shape (pairs,), ascending: each relevant pair as one number, see `_numbers`.
        position: int64, shape (pairs,): its position in ``ranked``.
    """

    ranked: RankedSubset
    contents: dict[str, bytes]
    rows: dict[str, NDArray[np.int64]]
    query: dict[str, int]
    pair: NDArray[np.int64]
    position: NDArray[np.int64]

    @classmethod
    def of(cls, ranked: RankedSubset, pool: Pool) -> PooledRanks:
        """Ranks in a pool, to be kept."""
        data = ranked.data
        rows = {language: np.flatnonzero(pool.language == i) for i, language in enumerate(pool.languages)}
        query = {query_id: row for row, query_id in enumerate(data.query_ids)}
        pair = _numbers(data.pair_query, pool.rows(data.pair_id.tolist()), len(query))
        position = pair.argsort()
        return cls(ranked, pool.contents, rows, query, pair[position], position)

    def part(self, data: JudgedQueries, pool: Pool, *, top_k: int) -> RankedSubset | None:
        """The ranks of a subset: of all that was ranked, or of some of the questions in one of the languages.

        Only what is the same to the letter is taken over, wherever it comes from.

        Args:
            data: What the subset asks.
            pool: What it searches.
            top_k: Length of the lists that it wants.

        Returns:
            None if it cannot be taken from these ranks.
        """
        if any(self.contents.get(language) != content for language, content in pool.contents.items()):
            return None
        queries = self._rows(data)
        pairs = None if queries is None else self._pairs(data, pool, queries)
        if queries is None or pairs is None:
            return None
        if pool.languages == self.ranked.data.languages and top_k <= self.ranked.top_id.shape[1]:
            return self._taken(data, queries, pairs, self.ranked.rank[pairs], top_k)
        if len(pool.languages) == 1 and not top_k and self.ranked.own_rank is not None:
            return self._taken(data, queries, pairs, self.ranked.own_rank[pairs], 0)
        return None

    def _rows(self, data: JudgedQueries) -> NDArray[np.int64] | None:
        """Rows of a subset's queries; None if one of them was not ranked."""
        rows = [self.query.get(query_id, -1) for query_id in data.query_ids]
        known = self.ranked.data.queries
        if all(row >= 0 and known[row] == text for row, text in zip(rows, data.queries, strict=True)):
            return np.array(rows, dtype=np.int64)
        return None

    def _pairs(self, data: JudgedQueries, pool: Pool, queries: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Positions of a subset's pairs; None if one of them was not ranked."""
        place = np.empty(len(pool.ids), dtype=np.int64)
        for i, language in enumerate(pool.languages):
            place[pool.language == i] = self.rows[language]
        wanted = _numbers(queries[data.pair_query], place[pool.rows(data.pair_id.tolist())], len(self.query))
        found = self.pair.searchsorted(wanted).clip(max=len(self.pair) - 1)
        return self.position[found] if (self.pair[found] == wanted).all() else None

    def _taken(
        self,
        data: JudgedQueries,
        queries: NDArray[np.int64],
        pairs: NDArray[np.int64],
        rank: NDArray[np.int64],
        top_k: int,
    ) -> RankedSubset:
        whole = self.ranked
        own = None if whole.own_rank is None else whole.own_rank[pairs]
        return replace(
            whole,
            data=data,
            rank=rank,
            own_rank=own,
            retrieved=whole.retrieved[pairs],
            top_id=whole.top_id[queries, :top_k],
            top_language=whole.top_language[queries, :top_k],
            top_score=whole.top_score[queries, :top_k],
        )


def _numbers(query: NDArray[np.int64], passage: NDArray[np.int64], queries: int) -> NDArray[np.int64]:
    """One number for each pair of rows, int64, shape (pairs,)."""
    return passage * queries + query
