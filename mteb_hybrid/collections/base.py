"""What a parallel collection is: questions and passages in several languages, questions linked by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.errors import CollectionError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class LanguagePart:
    """One language of a parallel collection.

    Attributes:
        language: Two-letter code, a key of `mteb_hybrid.languages.LANGUAGE_SCRIPTS`.
        passages: The candidates, in the order of the file. Equal texts stay separate candidates.
        contexts: The paragraph that each passage stands in, for readers; never encoded.
        query_ids: Ids that a question shares with its translations; unique within the language.
        queries: The questions, one per id.
        relevant: Per question the positions in ``passages`` of its relevant passages.
        source: Where the data was read from, for messages.

    Raises:
        CollectionError: Nothing to search in, a duplicate or empty id, an empty text, lengths that differ, or a
            relevant position outside of the passages.
    """

    language: str
    passages: tuple[str, ...]
    contexts: tuple[str, ...]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]
    source: str

    def __post_init__(self) -> None:
        where = f"{self.source} ({self.language})"
        if not self.passages or not self.queries:
            raise CollectionError(f"{where} has {len(self.passages)} passages and {len(self.queries)} questions")
        if len(self.contexts) != len(self.passages):
            raise CollectionError(f"{where}: {len(self.contexts)} contexts for {len(self.passages)} passages")
        if not len(self.query_ids) == len(self.queries) == len(self.relevant):
            raise CollectionError(
                f"{where}: {len(self.query_ids)} ids, {len(self.queries)} questions and {len(self.relevant)} lists of "
                "relevant passages must be equally many"
            )
        twice = [query_id for query_id, count in Counter(self.query_ids).items() if count > 1]
        if twice:
            raise CollectionError(f"{where}: duplicate question id {twice[0]!r} ({len(twice)} such ids)")
        for position, text in enumerate(self.passages):
            if not text.strip():
                raise CollectionError(f"{where}: passage {position} is empty")
        for query_id, text, positions in zip(self.query_ids, self.queries, self.relevant, strict=True):
            if not query_id or not text.strip():
                raise CollectionError(f"{where}: question {query_id!r} is empty")
            if len(set(positions)) != len(positions) or not all(0 <= p < len(self.passages) for p in positions):
                raise CollectionError(f"{where}: question {query_id!r} has relevant positions {positions}")


@dataclass(frozen=True, slots=True)
class ParallelCollection:
    """A collection whose questions exist in several languages, read one language at a time.

    Attributes:
        name: The collection's name, such as ``xquad-r``; part of the passage ids.
        revision: What the data is a version of: a commit, or a version of our own.
        languages: Two-letter codes of all its languages, sorted.
        read: Reads one language; raises `CollectionError`.
    """

    name: str
    revision: str
    languages: tuple[str, ...]
    read: Callable[[str], LanguagePart]

    def load(self, language: str) -> LanguagePart:
        """Read one language.

        Raises:
            CollectionError: The collection does not have the language, or its file is unusable.
        """
        if language not in self.languages:
            raise CollectionError(f"{self.name} has no language {language!r}; it has {', '.join(self.languages)}")
        return self.read(language)

    def passage_ids(self, language: str, count: int) -> list[str]:
        """Ids of the first ``count`` passages of a language.

        They are hashes: trec_eval and MTEB break ties by id, so an id that began with its language would turn every
        tie into a preference for one language.
        """
        return [
            hashlib.sha256(f"{self.name}/{language}/{position}".encode()).hexdigest()[:16] for position in range(count)
        ]
