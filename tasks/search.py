"""Models that are no dense encoders (BM25, cross-encoder, late interaction): ranks from the lists of MTEB's search."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.models import CrossEncoderProtocol

from mteb_hybrid.tasks.ranked import RankedSubset, list_depth

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb_hybrid.tasks.ranked import JudgedQueries

logger = logging.getLogger(__name__)


def full_candidates(model: Any, data: JudgedQueries, corpus: Any, given: Any) -> dict[str, list[str]] | None:
    """For a cross-encoder without candidates: every passage of the pool for every query; otherwise None.

    MTEB's search cannot run a cross-encoder without candidates, and the setting is defined over the full ranking.
    """
    if given is not None or not isinstance(model, CrossEncoderProtocol):
        return None
    logger.warning(
        "A cross-encoder scores every passage for every query: %s pairs for this subset. To rerank the candidates of a "
        "first stage instead, load the task's data and set its top_ranked.",
        f"{len(data.query_ids) * data.pool_size:,}",
    )
    ids = list(corpus.select_columns(["id"])["id"])
    return {query_id: ids for query_id in data.query_ids}  # noqa: C420 - one list for all of them, on purpose


def rank_from_lists(
    lists: dict[str, dict[str, float]],
    data: JudgedQueries,
    language_of: Callable[[str], int],
    *,
    depth: int,
    tie_key: Callable[[str], str] = str,
) -> RankedSubset:
    """Ranks of the relevant passages from lists of scored passages.

    A list is read in trec_eval's order: score descending, then ``tie_key`` (the id) descending. A relevant passage that
    is not on it is placed as if the rest of the pool stood in the worst order: after all passages that are not
    relevant.

    Args:
        lists: Query id to passage id to score.
        data: What was asked.
        language_of: Passage id to the position of its language in ``data.languages``.
        depth: The most passages that a list can have.
        tie_key: Passage id to what decides among equal scores; for ids that begin with their language not the id.
    """
    pool = data.pool_size
    k = min(list_depth(data), depth)
    rank = np.zeros(len(data.pair_query), dtype=np.int64)
    top_id = np.full((len(data.query_ids), k), None, dtype=object)
    top_language = np.full((len(data.query_ids), k), -1, dtype=np.int64)
    top_score = np.full((len(data.query_ids), k), -np.inf)
    lengths = np.zeros(len(data.query_ids), dtype=np.int64)
    pairs_of = np.split(np.arange(len(rank)), np.searchsorted(data.pair_query, np.arange(1, len(data.query_ids))))
    for query, (query_id, pairs) in enumerate(zip(data.query_ids, pairs_of, strict=True)):
        scored = sorted(lists.get(query_id, {}).items(), key=lambda item: (item[1], tie_key(item[0])), reverse=True)
        lengths[query] = len(scored)
        place = {passage: position for position, (passage, _) in enumerate(scored, start=1)}
        for position, (passage, score) in enumerate(scored[:k]):
            top_id[query, position] = passage
            top_language[query, position] = language_of(passage)
            top_score[query, position] = score
        rank[pairs] = [place.get(passage, 0) for passage in data.pair_id[pairs]]
        missing = pairs[rank[pairs] == 0]
        rank[missing] = -np.arange(len(missing), 0, -1)
    retrieved = rank > 0
    rank[~retrieved] += pool + 1
    return RankedSubset(
        data=data,
        rank=rank,
        own_rank=None,
        retrieved=retrieved,
        depth=None if depth >= pool and bool(retrieved.all()) else depth,
        lengths=lengths,
        top_id=top_id,
        top_language=top_language,
        top_score=top_score,
        similarity="search",
    )
