"""What passes between ranking, scoring and rank tables: a subset's data and its ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.metrics import QueryRanks

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP_K = 100
"""How many of the best passages of each query are kept where the pool mixes languages."""


@dataclass(frozen=True, slots=True)
class SubsetData:
    """The data of one subset as columns and arrays.

    Attributes:
        query_ids: Ids of the queries.
        queries: Their texts.
        passage_ids: Ids of the pool's passages.
        passages: Their texts.
        languages: Names of the pool's languages.
        language: int64, shape (passages,): each passage's language as a position in ``languages``.
        order: int64, shape (passages,): tie-break positions, see `mteb_hybrid.ranking.tie_order`.
        pair_query: int64, shape (pairs,): query of each (query, relevant passage) pair.
        pair_passage: int64, shape (pairs,): its passage.
        pair_grade: float64, shape (pairs,), positive: its relevance grade.
        pooled: Whether the pool mixes languages, so that language-bias metrics are defined.
    """

    query_ids: list[str]
    queries: list[str]
    passage_ids: list[str]
    passages: list[str]
    languages: tuple[str, ...]
    language: NDArray[np.int64]
    order: NDArray[np.int64]
    pair_query: NDArray[np.int64]
    pair_passage: NDArray[np.int64]
    pair_grade: NDArray[np.float64]
    pooled: bool

    @classmethod
    def from_split(cls, split: Any, *, pooled: bool) -> SubsetData:
        """Read a ``RetrievalSplitData`` of MTEB.

        Raises:
            CollectionError: An empty corpus, no queries, a duplicate id, or a judgment of an unknown passage.
        """
        from mteb_hybrid.ranking import tie_order  # torch waits until there is something to rank

        queries, corpus = split["queries"][:], split["corpus"][:]  # whole columns at once: iterating is slow
        query_ids, passage_ids = queries["id"], corpus["id"]
        row = {passage: position for position, passage in enumerate(passage_ids)}
        if not passage_ids or not query_ids:
            raise CollectionError(f"a subset has {len(query_ids)} queries and {len(passage_ids)} passages")
        if len(row) != len(passage_ids) or len(set(query_ids)) != len(query_ids):
            raise CollectionError("a subset has duplicate ids of queries or passages")
        labels = corpus["language"]
        languages = tuple(dict.fromkeys(labels))
        position = {name: i for i, name in enumerate(languages)}
        try:
            pairs = [
                (query, row[passage], grade)
                for query, query_id in enumerate(query_ids)
                for passage, grade in split["relevant_docs"].get(query_id, {}).items()
                if grade > 0
            ]
        except KeyError as error:
            raise CollectionError(f"a judgment names the passage {error}, which is not in the corpus") from error
        columns = np.array(pairs, dtype=np.float64).reshape(len(pairs), 3)
        return cls(
            query_ids=query_ids,
            queries=queries["text"],
            passage_ids=passage_ids,
            passages=corpus["text"],
            languages=languages,
            language=np.array([position[label] for label in labels], dtype=np.int64),
            order=tie_order(passage_ids),
            pair_query=columns[:, 0].astype(np.int64),
            pair_passage=columns[:, 1].astype(np.int64),
            pair_grade=columns[:, 2],
            pooled=pooled,
        )

    def pool(self) -> dict[str, int]:
        """Number of passages per language of the pool."""
        counts = np.bincount(self.language, minlength=len(self.languages))
        return {language: int(count) for language, count in zip(self.languages, counts, strict=True)}


@dataclass(frozen=True, slots=True)
class RankedSubset:
    """The ranks of one subset.

    Attributes:
        data: What was ranked.
        rank: int64, shape (pairs,), in [1, pool size]: rank of each relevant pair of ``data``. A passage that was not
            retrieved stands where it would if the rest of the pool were in the worst order.
        retrieved: bool, shape (pairs,): whether the rank is known; all true for a full ranking.
        depth: Length of the lists that the ranks come from; None for a full ranking.
        top_passage: int64, shape (queries, k): rows of the best passages, -1 for none; k = 0 where not asked for.
        top_score: float64, shape (queries, k): their scores.
        similarity: ``cosine``, ``dot``, ``model`` or ``search``, as in `mteb_hybrid.rank_table.TableInfo`.
    """

    data: SubsetData
    rank: NDArray[np.int64]
    retrieved: NDArray[np.bool_]
    depth: int | None
    top_passage: NDArray[np.int64]
    top_score: NDArray[np.float64]
    similarity: str

    @property
    def full(self) -> bool:
        """Whether the rank of every relevant passage is known."""
        return bool(self.retrieved.all())

    def query_ranks(self) -> QueryRanks:
        """The ranks as input of the metrics."""
        return QueryRanks.from_pairs(
            self.data.pair_query,
            self.rank,
            queries=len(self.data.query_ids),
            pool_size=len(self.data.passage_ids),
            grade=self.data.pair_grade,
        )
