"""Models that are no dense encoders (BM25, cross-encoder, late interaction): ranks from the lists of MTEB's search."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.models import CrossEncoderProtocol

from mteb_hybrid.tasks.ranked import TOP_K, RankedSubset

if TYPE_CHECKING:
    from mteb_hybrid.tasks.ranked import SubsetData

logger = logging.getLogger(__name__)


def full_candidates(model: Any, data: SubsetData, given: Any) -> dict[str, list[str]] | None:
    """For a cross-encoder without candidates: every passage of the pool for every query; otherwise None.

    MTEB's search cannot run a cross-encoder without candidates, and the setting is defined over the full ranking.
    """
    if given is not None or not isinstance(model, CrossEncoderProtocol):
        return None
    pairs = len(data.query_ids) * len(data.passage_ids)
    logger.warning(
        "A cross-encoder scores every passage for every query: %s pairs for this subset. To rerank the candidates of a "
        "first stage instead, load the task's data and set its top_ranked.",
        f"{pairs:,}",
    )
    return dict.fromkeys(data.query_ids, data.passage_ids)


def rank_from_lists(lists: dict[str, dict[str, float]], data: SubsetData, *, depth: int) -> RankedSubset:
    """Ranks of the relevant passages from lists of scored passages.

    A list is read in trec_eval's order (score descending, then id descending). A relevant passage that is not on it is
    placed as if the rest of the pool stood in the worst order: after every passage that is not relevant.

    Args:
        lists: Query id to passage id to score.
        data: What was searched.
        depth: The most passages that a list can have.
    """
    row = {passage: position for position, passage in enumerate(data.passage_ids)}
    pool = len(data.passage_ids)
    k = min(TOP_K, depth) if data.pooled else 0
    rank = np.zeros(len(data.pair_query), dtype=np.int64)
    retrieved = np.zeros(len(data.pair_query), dtype=bool)
    top_passage = np.full((len(data.query_ids), k), -1, dtype=np.int64)
    top_score = np.full((len(data.query_ids), k), -np.inf)
    pairs_of = np.split(np.arange(len(rank)), np.searchsorted(data.pair_query, np.arange(1, len(data.query_ids))))
    for query, (query_id, pairs) in enumerate(zip(data.query_ids, pairs_of, strict=True)):
        scored = sorted(lists.get(query_id, {}).items(), key=lambda item: (item[1], item[0]), reverse=True)
        place = {row[passage]: position for position, (passage, _) in enumerate(scored, start=1)}
        best = [(row[passage], score) for passage, score in scored[:k]]
        if best:
            top_passage[query, : len(best)], top_score[query, : len(best)] = zip(*best, strict=True)
        missing = [pair for pair in pairs if data.pair_passage[pair] not in place]
        for pair in pairs:
            rank[pair] = place.get(int(data.pair_passage[pair]), 0)
            retrieved[pair] = rank[pair] > 0
        rank[missing] = np.arange(pool - len(missing) + 1, pool + 1)
    return RankedSubset(
        data=data,
        rank=rank,
        retrieved=retrieved,
        depth=None if depth >= pool and bool(retrieved.all()) else depth,
        top_passage=top_passage,
        top_score=top_score,
        similarity="search",
    )
