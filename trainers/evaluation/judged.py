"""What a parallel collection asks, searches and judges in all its settings at once, and the scores of these.

One pool of the passages of all languages serves every setting: a passage's rank in its own language's segment is its
rank in the monolingual or cross-lingual setting, its rank in the whole pool that in the multilingual one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from mteb_hybrid.collections import ParallelCollection
from mteb_hybrid.errors import CollectionError, OptionError
from mteb_hybrid.metrics import QueryRanks, effectiveness, rank_distance
from mteb_hybrid.ranking import tie_order

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.collections import LanguagePart
    from mteb_hybrid.counted import Ranking

METRICS = ("monolingual_map", "cross_lingual_map", "multilingual_map", "rank_distance", "rank_distance_median")
"""What `ParallelRetrievalEvaluator` reports where it is defined, before the evaluator's name is put in front."""


@dataclass(frozen=True, slots=True)
class AskedQuestions:
    """The questions that are asked in one language; each has a relevant passage in some language.

    Attributes:
        texts: The questions.
        pair_query: int64, shape (pairs,): question of each (question, relevant passage) pair.
        pair_passage: int64, shape (pairs,): its passage as a row of the pool.
    """

    texts: tuple[str, ...]
    pair_query: NDArray[np.int64]
    pair_passage: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JudgedLanguages:
    """The questions of each language, and the pool of the passages of all languages, one language after the other.

    Attributes:
        languages: Two-letter codes.
        asked: Per language its questions.
        passages: Per language the texts of its passages.
        passage_language: int64, shape (passages,): each passage's language as a position in ``languages``.
        order: int64, shape (passages,): tie-break positions, see `mteb_hybrid.ranking.tie_order`.
    """

    languages: tuple[str, ...]
    asked: tuple[AskedQuestions, ...]
    passages: tuple[tuple[str, ...], ...]
    passage_language: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        parts: Sequence[LanguagePart],
        passage_ids: Mapping[str, Sequence[str]] | None = None,
        *,
        max_queries: int | None = None,
        max_passages: int | None = None,
    ) -> Self:
        """Join the languages of a collection.

        Args:
            parts: One for each language.
            passage_ids: Per language the ids of its passages, for ties; by default hashes of language and position.
            max_queries: Most questions per language: the first by a hash of their ids.
            max_passages: Most passages per language: those that are relevant for a question that is asked, however many
                they are, then the first by a hash of their ids.

        Raises:
            OptionError: No part, a language twice, or not one id for each passage.
            CollectionError: No question has a relevant passage.
        """
        languages = tuple(part.language for part in parts)
        if not languages or len(set(languages)) != len(languages):
            raise OptionError(f"parts must be of different languages, and at least one; they are of {list(languages)}")
        ids = [_passage_ids(part, passage_ids) for part in parts]
        relevant: dict[str, list[tuple[int, int]]] = defaultdict(list)  # question id to (language, position) pairs
        for language, part in enumerate(parts):
            for query_id, positions in zip(part.query_ids, part.relevant, strict=True):
                relevant[query_id] += [(language, position) for position in positions]
        answerable = [[row for row, query_id in enumerate(part.query_ids) if relevant[query_id]] for part in parts]
        rows = [_first(kept, part.query_ids, max_queries) for kept, part in zip(answerable, parts, strict=True)]
        needed: list[set[int]] = [set() for _ in parts]
        for part, kept in zip(parts, rows, strict=True):
            for row in kept:
                for language, position in relevant[part.query_ids[row]]:
                    needed[language].add(position)
        if not any(needed):
            raise CollectionError(
                f"no question in {', '.join(languages)} has a relevant passage: name other languages as well"
            )
        searched = [
            (language, position)
            for language, part in enumerate(parts)
            for position in _first(range(len(part.passages)), ids[language], max_passages, needed[language])
        ]
        pool_row = {passage: row for row, passage in enumerate(searched)}
        asked = []
        for part, kept in zip(parts, rows, strict=True):
            pairs = [
                (query, pool_row[passage])
                for query, row in enumerate(kept)
                for passage in relevant[part.query_ids[row]]
            ]
            columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
            asked.append(AskedQuestions(tuple(part.queries[row] for row in kept), columns[:, 0], columns[:, 1]))
        passages: list[list[str]] = [[] for _ in parts]
        for language, position in searched:
            passages[language].append(parts[language].passages[position])
        return cls(
            languages,
            tuple(asked),
            tuple(map(tuple, passages)),
            np.array([language for language, _ in searched], dtype=np.int64),
            tie_order([ids[language][position] for language, position in searched]),
        )

    def defined(self, *, per_language: bool = False) -> tuple[str, ...]:
        """The scores that are defined on these data, in the order of `METRICS`; then those of each query language."""
        own = [self.passage_language[asked.pair_passage] == i for i, asked in enumerate(self.asked)]
        several = any(len(asked.texts) and np.bincount(asked.pair_query).max() >= 2 for asked in self.asked)
        defined = (any(x.any() for x in own), any(not x.all() for x in own), True, several, several)
        names = [name for name, known in zip(METRICS, defined, strict=True) if known]
        if per_language:
            by_language = zip(self.languages, self.asked, strict=True)
            names += [f"multilingual_map_{language}" for language, asked in by_language if asked.texts]
        return tuple(names)

    def scores(self, rankings: Sequence[Ranking | None]) -> dict[str, float]:
        """All scores of `defined`, those of each query language included.

        Args:
            rankings: Per language that of its questions, with one segment per language of the pool; None where a
                language has none.
        """
        values: dict[str, list[float]] = defaultdict(list)  # score to one value per setting
        for language, (asked, ranking) in enumerate(zip(self.asked, rankings, strict=True)):
            if ranking is None:
                continue
            queries = len(asked.texts)
            ranks = QueryRanks.from_pairs(
                asked.pair_query, ranking.ranks(), queries=queries, pool_size=len(self.passage_language)
            )
            pooled = float(effectiveness(ranks, ())["map"].mean())
            values["multilingual_map"].append(pooled)
            values[f"multilingual_map_{self.languages[language]}"].append(pooled)
            distance = rank_distance(ranks)
            if len(distance):
                values["rank_distance"].append(float(distance.value.mean()))
                values["rank_distance_median"].append(float(np.median(distance.value)))
            # above it in its own segment stands what would stand above it if that language were searched alone
            searched = self.passage_language[asked.pair_passage]
            own_rank = 1 + ranking.above[np.arange(len(searched)), searched]
            for other, score in _map_by_language(asked.pair_query, searched, own_rank, queries).items():
                values["monolingual_map" if other == language else "cross_lingual_map"].append(score)
        return {name: float(np.mean(settings)) for name, settings in values.items()}


def _map_by_language(
    query: NDArray[np.int64], language: NDArray[np.int64], own_rank: NDArray[np.int64], queries: int
) -> dict[int, float]:
    """MAP of the same questions against each language alone, by language; questions that it does not have are left out.

    Args:
        query: int64, shape (pairs,): question of each (question, relevant passage) pair.
        language: int64, shape (pairs,): the passage's language.
        own_rank: int64, shape (pairs,): its rank among the passages of that language.
        queries: Number of questions.
    """
    languages = int(language.max()) + 1
    ranks = QueryRanks.from_pairs(
        query * languages + language, own_rank, queries=queries * languages, pool_size=int(own_rank.max())
    )
    precision = effectiveness(ranks, ())["map"]
    of = np.flatnonzero(ranks.counts()) % languages
    return {searched: float(precision[of == searched].mean()) for searched in np.unique(of).tolist()}


def _passage_ids(part: LanguagePart, given: Mapping[str, Sequence[str]] | None) -> Sequence[str]:
    if given is None:
        nameless = ParallelCollection("parallel", "", (part.language,), lambda _: part)
        return nameless.passage_ids(part.language, len(part.passages))
    ids = given.get(part.language, ())
    if len(ids) != len(part.passages):
        raise OptionError(
            f"passage_ids: {len(ids)} passage ids for the {len(part.passages)} passages of {part.language!r}; each "
            "needs one"
        )
    return ids


def _first(
    rows: Sequence[int], ids: Sequence[str], limit: int | None, needed: Collection[int] = frozenset()
) -> Sequence[int]:
    """The ``needed`` rows and the first others by a hash of their ids, up to the limit; in the order they had."""
    if limit is None or len(rows) <= limit:
        return rows
    by_hash = sorted(rows, key=lambda row: (row not in needed, hashlib.sha256(ids[row].encode()).digest()))
    kept = set(by_hash[: max(limit, len(needed))])
    return [row for row in rows if row in kept]
