"""Dense encoders on a pool in memory: embeddings through the store, and exact ranks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mteb.types import PromptType

from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.model_similarity import rank_with_model_similarity, recognise_similarity, sample_rows
from mteb_hybrid.parsing import shown
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.tasks.embedder import declared_similarity
from mteb_hybrid.tasks.ranked import RankedSubset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.exact import Similarity
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.pool import Pool
    from mteb_hybrid.tasks.ranked import JudgedQueries

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embeddings of a subset.

    Attributes:
        queries: float32, shape (queries, dimension).
        passages: float32, shape (passages, dimension).
        similarity: What they are compared by; None for a similarity of the model's own.
    """

    queries: NDArray[np.float32]
    passages: NDArray[np.float32]
    similarity: Similarity | None

    @classmethod
    def of(cls, embedder: Embedder, data: JudgedQueries, pool: Pool, *, first: int | None = None) -> Embedded:
        """Embed the queries and passages of a subset, or as many as ``first`` of each.

        Raises:
            EmbeddingError: The model's embeddings cannot be ranked.
        """
        queries = embedder.embed(data.queries[:first], PromptType.query)
        passages = embedder.embed(pool.texts[:first], PromptType.document)
        check_dimensions(embedder, data, queries.shape[1], passages.shape[1])
        return cls(queries, passages, _recognised(embedder, queries, passages))


def similarity_on(embedder: Embedder, data: JudgedQueries, pool: Pool) -> Similarity | None:
    """``Embedded.of(embedder, data, pool).similarity``, for the cost of the few embeddings that it is recognised by."""
    queries = [data.queries[row] for row in sample_rows(len(data.queries))]
    passages = [pool.texts[row] for row in sample_rows(len(pool.texts))]
    return _recognised(
        embedder, embedder.embed(queries, PromptType.query), embedder.embed(passages, PromptType.document)
    )


def _recognised(embedder: Embedder, queries: NDArray[np.float32], passages: NDArray[np.float32]) -> Similarity | None:
    model = embedder.model
    return recognise_similarity(
        model.similarity, queries, passages, declared_similarity(model), describe=embedder.describe
    )


def rank_embedded(
    embedder: Embedder, data: JudgedQueries, pool: Pool, embedded: Embedded, *, top_k: int
) -> RankedSubset:
    """Exact ranks of a subset's relevant passages, from embeddings of all of it."""
    queries, passages, similarity = embedded.queries, embedded.passages, embedded.similarity
    model = embedder.model
    pair_passage = pool.rows(data.pair_id.tolist())
    ranking: Ranking
    if similarity is None:
        logger.info("%s has a similarity of its own: ranking by the scores that it returns", embedder.describe)
        ranking = rank_with_model_similarity(
            model.similarity, queries, passages, pool.order, pool.language, data.pair_query, pair_passage,
            segments=len(pool.languages), top_k=top_k, describe=embedder.describe,
        )  # fmt: skip
    else:
        counter = RankCounter(
            queries, data.pair_query, passages[pair_passage], pool.order[pair_passage],
            similarity=similarity, segments=len(pool.languages), top_k=top_k,
        )  # fmt: skip
        counter.count(passages, pool.order, pool.language)
        ranking = counter.result()
    row_of_order = np.append(np.argsort(pool.order), -1)  # position -1, no passage, stays -1
    top = row_of_order[ranking.top_order]
    return RankedSubset(
        data=data,
        rank=ranking.ranks(),
        own_rank=1 + ranking.above[np.arange(len(pair_passage)), data.pair_language],
        retrieved=np.ones(len(pair_passage), dtype=bool),
        depth=None,
        top_id=np.array([*pool.ids, None], dtype=object)[top],
        top_language=np.append(pool.language, -1)[top],
        top_score=ranking.top_scores,
        similarity=similarity or "model",
    )


def check_dimensions(embedder: Embedder, data: JudgedQueries, queries: int, passages: int) -> None:
    """Refuse queries and passages of different dimensions.

    Raises:
        EmbeddingError: They differ.
    """
    if queries != passages:
        raise EmbeddingError(
            f"{embedder.describe} returned queries of dimension {queries} and passages of dimension {passages}; first "
            f"query: {shown(data.queries[0])}. One model must give both the same dimension"
        )
