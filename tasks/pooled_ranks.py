"""Ranks that were counted, kept for the subsets whose ranks are parts of them.

The rank of a passage among the passages of its own language is its rank in the monolingual or cross-lingual subset of
that language. So one pass over the pool ranks all subsets that ask the same questions, and a run of the monolingual,
cross-lingual and multilingual task of a collection takes little more than one matrix product.

A pass is made over passages that other subsets have had embedded, and never embeds any for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mteb.types import PromptType

from mteb_hybrid.embeddings import STORE
from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.tasks.dense import Embedded, rank_embedded, similarity_on
from mteb_hybrid.tasks.ranked import RankedSubset, list_depth

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.parallel import JointSubset, PoolSubset
    from mteb_hybrid.tasks.pool import Pool
    from mteb_hybrid.tasks.ranked import JudgedQueries


def rank_subset(embedder: Embedder, subset: PoolSubset, *, top_k: int) -> RankedSubset:
    """Exact ranks of a subset's relevant passages, from one pass for all subsets that ask in its language.

    Args:
        embedder: Of the encoder, on this subset.
        subset: The subset.
        top_k: Length of the lists that it wants.

    Raises:
        EmbeddingError: The model's embeddings cannot be ranked; raised before anything is scored.
    """
    for ranks in _recalled(embedder, subset):
        part = ranks.part(subset.data, subset.pool, top_k=top_k)
        if part is not None and part.similarity == similarity_on(embedder, subset.data, subset.pool):
            return part
    embedded = Embedded.of(embedder, subset.data, subset.pool)
    if not top_k and subset.joint is not None and _is_shared(embedder, embedded):
        joint = _ranked_jointly(embedder, subset, subset.joint, embedded)
        part = None if joint is None else joint.part(subset.data, subset.pool, top_k=top_k)
        if part is not None:
            return part
    ranked = rank_embedded(embedder, subset.data, subset.pool, embedded, top_k=top_k)
    if _is_shared(embedder, embedded):
        _remember(embedder, subset, PooledRanks.of(ranked, subset.pool, depth=0))
    return ranked


def _ranked_jointly(
    embedder: Embedder, subset: PoolSubset, make: JointSubset, embedded: Embedded
) -> PooledRanks | None:
    """The ranks of all subsets that ask in a subset's language, as far as they are not known; None if that is none.

    A model that cannot embed a question of another subset fails there, and not here.
    """

    def has(passages: Sequence[str]) -> bool:
        return embedder.has(passages, PromptType.document)

    without = {language for ranks in _recalled(embedder, subset) for language in ranks.contents}
    if STORE.has_dropped or _is_given_up(embedder, subset):
        return None
    joint = make(has, without)
    if joint is None:
        return None
    try:
        embedder.embed(joint.data.queries, PromptType.query)
    except EmbeddingError:
        _give_up(embedder, subset)
        return None
    if STORE.has_dropped:
        return None
    pooled = Embedded.of(embedder, joint.data, joint.pool)
    if pooled.similarity != embedded.similarity or not _is_shared(embedder, pooled):
        return None
    depth = list_depth(joint.data)
    ranked = rank_embedded(embedder, joint.data, joint.pool, pooled, top_k=depth)
    made = PooledRanks.of(ranked, joint.pool, depth=depth)
    _remember(embedder, subset, made)
    return made


def _is_shared(embedder: Embedder, embedded: Embedded) -> bool:
    """Whether other subsets have the same embeddings, and ranks that follow from them alone."""
    return embedded.similarity is not None and embedder.is_shared()


def _recalled(embedder: Embedder, subset: PoolSubset) -> tuple[PooledRanks, ...]:
    if subset.collection is None:
        return ()
    found: tuple[PooledRanks, ...] | None = STORE.recall(embedder.model, _name(embedder, subset))
    return found or ()


def _remember(embedder: Embedder, subset: PoolSubset, ranks: PooledRanks) -> None:
    if subset.collection is not None:
        others = (known for known in _recalled(embedder, subset) if known.contents != ranks.contents)
        kept = (*others, ranks)
        STORE.remember(embedder.model, _name(embedder, subset), kept, keys=_keys(embedder))


def _is_given_up(embedder: Embedder, subset: PoolSubset) -> bool:
    return STORE.recall(embedder.model, ("given up", *_name(embedder, subset))) is not None


def _give_up(embedder: Embedder, subset: PoolSubset) -> None:
    """Try no more: every attempt would encode the questions of all subsets anew."""
    STORE.remember(embedder.model, ("given up", *_name(embedder, subset)), True, keys=_keys(embedder))


def _name(embedder: Embedder, subset: PoolSubset) -> tuple[Hashable, ...]:
    return ("ranks", subset.collection, subset.data.query_language, *_keys(embedder))


def _keys(embedder: Embedder) -> tuple[Hashable, Hashable]:
    return embedder.key(PromptType.query), embedder.key(PromptType.document)


@dataclass(frozen=True, slots=True)
class PooledRanks:
    """The ranks of one language's questions in a pool, and what was ranked.

    Attributes:
        queries: Texts of the questions.
        query: Query id to its row.
        languages: Names of the pool's languages.
        contents: Language to a digest of its passages.
        rows: Language to the rows of its passages, in their order.
        pair: int64, shape (pairs,), ascending: each relevant pair as one number, see `_numbers`.
        rank: int64, shape (pairs,): the rank of each of them.
        own_rank: int64, shape (pairs,): its rank among the passages of its own language.
        top_id: As in `mteb_hybrid.tasks.ranked.RankedSubset`, and so are ``top_language`` and ``top_score``.
        similarity: ``cosine`` or ``dot``.
    """

    queries: list[str]
    query: dict[str, int]
    languages: tuple[str, ...]
    contents: dict[str, bytes]
    rows: dict[str, NDArray[np.int64]]
    pair: NDArray[np.int64]
    rank: NDArray[np.int64]
    own_rank: NDArray[np.int64]
    top_id: NDArray[np.object_]
    top_language: NDArray[np.int64]
    top_score: NDArray[np.float64]
    similarity: str

    @classmethod
    def of(cls, ranked: RankedSubset, pool: Pool, *, depth: int) -> PooledRanks:
        """Ranks in a pool, counted in each relevant passage's own language too, to be kept with lists of a depth."""
        data = ranked.data
        assert ranked.own_rank is not None
        pair = _numbers(data.pair_query, pool.rows(data.pair_id.tolist()), len(data.query_ids))
        order = pair.argsort()
        return cls(
            queries=data.queries,
            query={query_id: row for row, query_id in enumerate(data.query_ids)},
            languages=pool.languages,
            contents=pool.contents,
            rows={language: np.flatnonzero(pool.language == i) for i, language in enumerate(pool.languages)},
            pair=pair[order],
            rank=ranked.rank[order],
            own_rank=ranked.own_rank[order],
            top_id=ranked.top_id[:, :depth].copy(),
            top_language=ranked.top_language[:, :depth].copy(),
            top_score=ranked.top_score[:, :depth].copy(),
            similarity=ranked.similarity,
        )

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
        is_all = pool.languages == self.languages and top_k <= self.top_id.shape[1]
        if not is_all and (len(pool.languages) > 1 or top_k):
            return None
        if any(self.contents.get(language) != content for language, content in pool.contents.items()):
            return None
        queries = self._rows(data)
        pairs = None if queries is None else self._pairs(data, pool, queries)
        if queries is None or pairs is None:
            return None
        return RankedSubset(
            data=data,
            rank=(self.rank if is_all else self.own_rank)[pairs],
            own_rank=self.own_rank[pairs],
            retrieved=np.ones(len(pairs), dtype=bool),
            depth=None,
            top_id=self.top_id[queries, :top_k],
            top_language=self.top_language[queries, :top_k],
            top_score=self.top_score[queries, :top_k],
            similarity=self.similarity,
        )

    def _rows(self, data: JudgedQueries) -> NDArray[np.int64] | None:
        """Rows of a subset's queries; None if one of them was not ranked."""
        rows = [self.query.get(query_id, -1) for query_id in data.query_ids]
        if all(row >= 0 and self.queries[row] == text for row, text in zip(rows, data.queries, strict=True)):
            return np.array(rows, dtype=np.int64)
        return None

    def _pairs(self, data: JudgedQueries, pool: Pool, queries: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Positions of a subset's pairs; None if one of them was not ranked."""
        place = np.empty(len(pool.ids), dtype=np.int64)
        for i, language in enumerate(pool.languages):
            place[pool.language == i] = self.rows[language]
        wanted = _numbers(queries[data.pair_query], place[pool.rows(data.pair_id.tolist())], len(self.query))
        found = self.pair.searchsorted(wanted)
        known = np.append(self.pair, -1)  # what lies beyond the last one is none
        return found if (known[found] == wanted).all() else None


def _numbers(query: NDArray[np.int64], passage: NDArray[np.int64], queries: int) -> NDArray[np.int64]:
    """One number for each pair of rows, int64, shape (pairs,)."""
    return passage * queries + query
