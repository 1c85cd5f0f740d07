"""The model's own similarity: recognised as cosine or dot product where it is one, used as it is where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.counted import Ranking
from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.exact import Similarity, error_bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    SimilarityFunction = Callable[[Any, Any], Any]

_SAMPLE = 64
# fixed, so that scores do not depend on anybody's choice of chunk
_QUERY_BLOCK, _PASSAGE_BLOCK = 256, 4096


def sample_rows(count: int) -> NDArray[np.int64]:
    """The rows, of so many embeddings, that `recognise_similarity` looks at; int64, ascending."""
    return np.linspace(0, count - 1, min(_SAMPLE, count), dtype=np.int64)


def recognise_similarity(
    similarity: SimilarityFunction,
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    declared: str | None = None,
    *,
    describe: str = "the model",
) -> Similarity | None:
    """Which similarity a function computes, judged by its values on a sample of the embeddings at hand.

    Names and classes can be wrong or unknown; what the function returns cannot. On vectors of length 1 cosine and dot
    product agree, and ``declared`` decides.

    Args:
        similarity: The model's function: (a, dimension) and (b, dimension) to (a, b).
        queries: float32, shape (queries, dimension).
        passages: float32, shape (passages, dimension).
        declared: What the model calls it, ``cosine`` or ``dot``, if it says so.
        describe: The model and what it is run on, for messages.

    Returns:
        ``cosine`` or ``dot``, or None if it is neither.

    Raises:
        EmbeddingError: The function returns NaN, or something else than one score for each pair.
    """
    some_queries = queries[sample_rows(len(queries))]
    some_passages = passages[sample_rows(len(passages))]
    values = _call(similarity, some_queries, some_passages, describe)
    lengths = np.linalg.norm(some_queries.astype(np.float64), axis=1)[:, None] * np.linalg.norm(
        some_passages.astype(np.float64), axis=1
    )
    products = some_queries.astype(np.float64) @ some_passages.astype(np.float64).T
    tolerance = 2 * error_bound(queries.shape[1]) + 1e-6
    order: tuple[Similarity, ...] = ("dot", "cosine") if declared == "dot" else ("cosine", "dot")
    for name in order:
        expected, allowed = (products / lengths, tolerance) if name == "cosine" else (products, tolerance * lengths)
        if bool((np.abs(values - expected) <= allowed).all()):
            return name
    return None


def rank_with_model_similarity(
    similarity: SimilarityFunction,
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    order: NDArray[np.int64],
    segment: NDArray[np.int64],
    relevant_query: NDArray[np.int64],
    relevant_passage: NDArray[np.int64],
    *,
    segments: int = 1,
    top_k: int = 0,
    describe: str = "the model",
) -> Ranking:
    """Ranks under a similarity that is neither cosine nor dot product, by the scores that the model returns.

    Passages with equal embeddings are scored once, so that they tie; ties are broken by ``order``. Arguments and result
    as in `mteb_hybrid.ranking.RankCounter`, with ``relevant_passage`` as rows of ``passages`` and ``segment``, int64,
    shape (passages,), the segment of each passage.

    Raises:
        EmbeddingError: As `recognise_similarity`.
    """
    first: dict[bytes, int] = {}
    distinct_of = np.array([first.setdefault(row.tobytes(), len(first)) for row in passages])
    _, rows = np.unique(distinct_of, return_index=True)
    distinct = passages[rows]
    above = np.zeros((len(relevant_query), segments), dtype=np.int64)
    top_order = np.full((len(queries), top_k), -1, dtype=np.int64)
    top_scores = np.full((len(queries), top_k), -np.inf)
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = queries[start : start + _QUERY_BLOCK]
        parts = [
            _call(similarity, block, distinct[column : column + _PASSAGE_BLOCK], describe)
            for column in range(0, len(distinct), _PASSAGE_BLOCK)
        ]
        scores = np.concatenate(parts, axis=1)[:, distinct_of]
        for pair in np.flatnonzero((relevant_query >= start) & (relevant_query < start + len(block))):
            row, goal = scores[relevant_query[pair] - start], relevant_passage[pair]
            wins = (row > row[goal]) | ((row == row[goal]) & (order < order[goal]))
            above[pair] = np.bincount(segment[wins], minlength=segments)
        if top_k:
            best = np.lexsort((np.broadcast_to(order, scores.shape), -scores))[:, :top_k]
            top_order[start : start + len(block), : best.shape[1]] = order[best]
            top_scores[start : start + len(block), : best.shape[1]] = np.take_along_axis(scores, best, axis=1)
    return Ranking(above=above, top_order=top_order, top_scores=top_scores)


def _call(
    similarity: SimilarityFunction, queries: NDArray[np.float32], passages: NDArray[np.float32], describe: str
) -> NDArray[np.float64]:
    import torch

    values = similarity(
        torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(passages))
    )
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (len(queries), len(passages)):
        raise EmbeddingError(
            f"{describe}: the model's similarity returned shape {result.shape} for {len(queries)} queries and "
            f"{len(passages)} passages, expected one score for each pair"
        )
    if np.isnan(result).any():
        raise EmbeddingError(
            f"{describe}: the model's similarity returned NaN, which cannot be ranked; check the function and its "
            "precision"
        )
    return result
