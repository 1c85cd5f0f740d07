"""What passes between ranking, scoring and rank tables: a subset's questions and judgments, and its ranks."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import CollectionError, OptionError
from mteb_hybrid.metrics import QueryRanks
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

TOP_K = 100
"""How many of the best passages of each query are kept where the pool mixes languages, or passages are unjudged."""
LIST_DEPTH_VARIABLE = "MTEB_HYBRID_LIST_DEPTH"


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """The questions of one subset and what was judged for them.

    Attributes:
        query_ids: Ids of the queries.
        queries: Their texts.
        query_language: Two-letter code of the language that they are asked in.
        languages: Languages of the pool.
        pool: int64, shape (languages,): number of passages of each.
        pair_query: int64, shape (pairs,): query of each (query, relevant passage) pair.
        pair_id: object, shape (pairs,): id of its passage.
        pair_language: int64, shape (pairs,): the passage's language as a position in ``languages``.
        pair_grade: float64, shape (pairs,), positive: its relevance grade.
        judged: Query id to the ids of all passages that were judged for it, relevant or not.
        pooled: Whether the pool mixes languages, so that language-bias metrics are defined.
        parallel: Whether the relevant passages of a question are translations of each other.
    """

    query_ids: list[str]
    queries: list[str]
    query_language: str
    languages: tuple[str, ...]
    pool: NDArray[np.int64]
    pair_query: NDArray[np.int64]
    pair_id: NDArray[np.object_]
    pair_language: NDArray[np.int64]
    pair_grade: NDArray[np.float64]
    judged: Mapping[str, Mapping[str, int]]
    pooled: bool
    parallel: bool

    @classmethod
    def of(
        cls,
        columns: Mapping[str, list[Any]],
        judged: Mapping[str, Mapping[str, int]],
        languages_of: Callable[[list[str]], NDArray[np.int64]],
        *,
        where: str,
        query_language: str,
        pool: Mapping[str, int],
        pooled: bool,
        parallel: bool,
    ) -> JudgedQueries:
        """Read the queries and judgments of a ``RetrievalSplitData`` of MTEB.

        Args:
            columns: The columns ``id`` and ``text`` of the queries.
            judged: As in the class.
            languages_of: Passage ids to positions of their languages in ``pool``, int64; KeyError with the first of
                those that are unknown.
            where: Task and subset, for messages.
            query_language: As in the class.
            pool: Language to its number of passages.
            pooled: As in the class.
            parallel: As in the class.

        Raises:
            CollectionError: No queries, a duplicate query id, no relevant passage, or a judgment of an unknown one.
            OptionError: ``MTEB_HYBRID_LIST_DEPTH`` is no usable depth: said here, before anything is encoded.
        """
        asked_depth()
        query_ids = columns["id"]
        if not query_ids:
            raise CollectionError(f"{where}: there are no queries; there must be at least one")
        if len(set(query_ids)) != len(query_ids):
            twice, count = Counter(query_ids).most_common(1)[0]
            raise CollectionError(f"{where}: query id {shown(twice)} is there {count} times; ids must differ")
        grades = [judged.get(query_id, {}) for query_id in query_ids]
        pair_grade = np.array([grade for graded in grades for grade in graded.values()], dtype=np.float64)
        relevant = pair_grade > 0
        if not relevant.any():
            raise CollectionError(f"{where}: no query has a relevant passage, and nothing can be scored: add judgments")
        pair_query = np.repeat(np.arange(len(grades)), [len(graded) for graded in grades])[relevant]
        pair_id = np.array([passage for graded in grades for passage in graded], dtype=object)[relevant]
        try:
            pair_language = languages_of(pair_id.tolist())
        except KeyError as error:
            (passage,) = error.args
            query = query_ids[pair_query[pair_id.tolist().index(passage)]]
            raise CollectionError(
                f"{where}: passage {shown(passage)} is relevant for query {shown(query)}, and not in the corpus: add "
                "it there, or leave out the judgment"
            ) from error
        return cls(
            query_ids=query_ids,
            queries=columns["text"],
            query_language=query_language,
            languages=tuple(pool),
            pool=np.array(list(pool.values()), dtype=np.int64),
            pair_query=pair_query,
            pair_id=pair_id,
            pair_language=pair_language,
            pair_grade=pair_grade[relevant],
            judged=judged,
            pooled=pooled,
            parallel=parallel,
        )

    @property
    def pool_size(self) -> int:
        """Number of passages of the pool."""
        return int(self.pool.sum())

    @property
    def language(self) -> int | None:
        """The query language as a position in ``languages``; None if the pool does not have it."""
        return self.languages.index(self.query_language) if self.query_language in self.languages else None


@dataclass(frozen=True, slots=True)
class RankedSubset:
    """The ranks of one subset.

    Attributes:
        data: What was asked and judged.
        rank: int64, shape (pairs,), in [1, pool size]: rank of each relevant pair of ``data``. A passage that was not
            retrieved stands where it would if the rest of the pool were in the worst order.
        own_rank: int64, shape (pairs,): its rank among the passages of its own language alone; None if not counted.
        retrieved: bool, shape (pairs,): whether the rank is known; all true for a full ranking.
        depth: The most passages that the lists that the ranks come from can have; None for a full ranking.
        lengths: int64, shape (queries,): the lengths that they have; None for a full ranking.
        top_id: object, shape (queries, k): ids of the best passages, None for none; k = 0 where not asked for.
        top_language: int64, shape (queries, k): their languages as positions in ``data.languages``, -1 for none.
        top_score: float64, shape (queries, k): their scores.
        similarity: ``cosine``, ``dot``, ``model``, ``search`` or ``faiss``, as in `mteb_hybrid.rank_table.TableInfo`.
        approximate: Whether the ranks are those of a search that may pass over better passages, so that none is known.
    """

    data: JudgedQueries
    rank: NDArray[np.int64]
    own_rank: NDArray[np.int64] | None
    retrieved: NDArray[np.bool_]
    depth: int | None
    top_id: NDArray[np.object_]
    top_language: NDArray[np.int64]
    top_score: NDArray[np.float64]
    similarity: str
    lengths: NDArray[np.int64] | None = None
    approximate: bool = False

    @property
    def full(self) -> bool:
        """Whether the rank of every relevant passage is known."""
        return not self.approximate and bool(self.retrieved.all())

    def query_ranks(self) -> QueryRanks:
        """The ranks as input of the metrics."""
        return self._query_ranks(self.rank, self.data.pool_size)

    def own_query_ranks(self) -> QueryRanks | None:
        """The ranks among the passages of each relevant passage's own language; None if they were not counted."""
        return None if self.own_rank is None else self._query_ranks(self.own_rank, int(self.data.pool.max()))

    def top_judged(self) -> NDArray[np.bool_]:
        """Whether the passage at each rank was judged for the query; shape (queries, k)."""
        rows = [
            [passage in self.data.judged.get(query_id, ()) for passage in top]
            for query_id, top in zip(self.data.query_ids, self.top_id, strict=True)
        ]
        return np.array(rows, dtype=bool).reshape(self.top_id.shape)

    def _query_ranks(self, rank: NDArray[np.int64], pool_size: int) -> QueryRanks:
        return QueryRanks.from_pairs(
            self.data.pair_query,
            rank,
            queries=len(self.data.query_ids),
            pool_size=pool_size,
            grade=self.data.pair_grade,
            language=self.data.pair_language,
        )


def asked_depth() -> int | None:
    """How many of the best passages of every query ``MTEB_HYBRID_LIST_DEPTH`` wants to be kept; None if it is not set.

    Raises:
        OptionError: It is not a whole number of at least `TOP_K`, which scores are taken from.
    """
    configured = os.environ.get(LIST_DEPTH_VARIABLE, "").strip()
    if not configured:
        return None
    if not configured.isdecimal() or int(configured) < TOP_K:
        raise OptionError(
            f"{LIST_DEPTH_VARIABLE} must be a whole number of passages, at least {TOP_K}, such as 1000; it is "
            f"{shown(configured)}"
        )
    return int(configured)


def list_depth(data: JudgedQueries) -> int:
    """How many of the best passages of each query are kept; no score depends on it.

    ``MTEB_HYBRID_LIST_DEPTH``, for every subset. Unless it is set: `TOP_K` where the pool mixes languages or passages
    are unjudged, which some scores are taken from, and otherwise 0.

    Raises:
        OptionError: The variable is no usable depth.
    """
    asked = asked_depth()
    if asked is not None:
        return max(TOP_K, min(asked, data.pool_size))
    return TOP_K if data.pooled or not data.parallel else 0
