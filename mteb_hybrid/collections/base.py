"""What a parallel collection is: questions and passages in several languages, questions linked by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class LanguagePart:
    """One language of a parallel collection.

    Attributes:
        language: Two-letter code, a key of `mteb_hybrid.languages.LANGUAGE_SCRIPTS`, or the user's own.
        passages: The candidates, in the order of the file. Equal texts stay separate candidates.
        contexts: The paragraph that each passage stands in, for readers; never encoded.
        query_ids: Ids that a question shares with its translations; unique within the language.
        queries: The questions, one per id.
        relevant: Per question the positions in ``passages`` of its relevant passages.
        source: Where the data was read from, for messages.
        unasked: Questions that are not asked in this language, by id, with the positions of their relevant passages.
        grades: Relevance grades, whole and positive, by question id and position; 1 where there is none.

    Raises:
        CollectionError: Nothing to search in or nothing that is asked of it, a duplicate or empty id, an empty text,
            lengths that differ, a relevant position outside of the passages, or a grade of what is not relevant.
    """

    language: str
    passages: tuple[str, ...]
    contexts: tuple[str, ...]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]
    source: str
    unasked: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    grades: Mapping[tuple[str, int], int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        where = f"{self.source} ({self.language})"
        searched = self.passages or not (any(self.relevant) or any(self.unasked.values()))
        if not searched or not (self.queries or (self.passages and self.unasked)):
            raise CollectionError(
                f"{where} has {len(self.passages)} passages and {len(self.queries)} questions: there is nothing to "
                f"{'ask' if self.passages else 'search in'}"
            )
        if len(self.contexts) != len(self.passages):
            raise CollectionError(
                f"{where}: {len(self.contexts)} contexts for {len(self.passages)} passages; each needs one"
            )
        if not len(self.query_ids) == len(self.queries) == len(self.relevant):
            raise CollectionError(
                f"{where}: {len(self.query_ids)} ids, {len(self.queries)} questions and {len(self.relevant)} lists of "
                "relevant passages must be equally many"
            )
        twice = [query_id for query_id, count in Counter(self.query_ids).items() if count > 1]
        if twice:
            raise CollectionError(
                f"{where}: duplicate question id {shown(twice[0])} ({len(twice)} such ids); give each question an id "
                "of its own"
            )
        for position, text in enumerate(self.passages):
            if not text.strip():
                raise CollectionError(f"{where}: passage {position} is empty; leave it out, or give it a text")
        for query_id, text, positions in zip(self.query_ids, self.queries, self.relevant, strict=True):
            if not query_id or not text.strip():
                raise CollectionError(
                    f"{where}: question {shown(query_id)} has an empty {'text' if query_id else 'id'}; give it one, or "
                    "leave it out"
                )
            self._check_positions(query_id, positions, where)
        for query_id, positions in self.unasked.items():
            if not query_id:
                raise CollectionError(
                    f"{where}: a question that is not asked has an empty id; give it one, or leave it out"
                )
            self._check_positions(query_id, positions, where)
        if both := sorted(self.unasked.keys() & set(self.query_ids)):
            raise CollectionError(
                f"{where}: question {shown(both[0])} is asked, and in unasked, which is for those that are not; leave "
                "it out of one"
            )
        if self.grades:
            relevant = {(query_id, position) for query_id, position, _ in self.judgments()}
            for (query_id, position), grade in self.grades.items():
                if (query_id, position) not in relevant or grade < 1:
                    raise CollectionError(
                        f"{where}: passage {position} has grade {grade} for question {shown(query_id)}; grades are of "
                        "relevant passages, and must be at least 1"
                    )

    def _check_positions(self, query_id: str, positions: tuple[int, ...], where: str) -> None:
        outside = [position for position in positions if not 0 <= position < len(self.passages)]
        if outside or len(set(positions)) != len(positions):
            wrong = (
                f"must lie in [0, {len(self.passages)}), not at {outside[0]}" if outside else "must be named once each"
            )
            raise CollectionError(
                f"{where}: the relevant passages of question {shown(query_id)} {wrong}; their positions are "
                f"{shown(positions)}"
            )

    def judgments(self) -> Iterator[tuple[str, int, int]]:
        """Question id, position and grade of every relevant passage; also of questions that are asked elsewhere."""
        for query_id, positions in (*zip(self.query_ids, self.relevant, strict=True), *self.unasked.items()):
            for position in positions:
                yield query_id, position, self.grades.get((query_id, position), 1)


@dataclass(frozen=True, slots=True)
class ParallelCollection:
    """A collection whose questions exist in several languages, read one language at a time.

    Attributes:
        name: The collection's name, such as ``xquad-r``; part of the passage ids.
        revision: What the data is a version of: a commit, or a version of our own.
        languages: Two-letter codes of the languages that it has passages in, sorted.
        read: Reads one language; raises `CollectionError`.
        answers: Per language that questions are asked in, sorted, the languages that some of them have relevant
            passages in; None: in every language, about every language.
    """

    name: str
    revision: str
    languages: tuple[str, ...]
    read: Callable[[str], LanguagePart]
    answers: Mapping[str, tuple[str, ...]] | None = field(default=None, hash=False)

    @property
    def query_languages(self) -> tuple[str, ...]:
        """Codes of the languages that questions are asked in."""
        return self.languages if self.answers is None else tuple(self.answers)

    def can_answer(self, query_language: str, passage_languages: Iterable[str]) -> bool:
        """Whether a question in a language has a relevant passage in one of some languages."""
        if self.answers is None:
            return True
        return not set(passage_languages).isdisjoint(self.answers.get(query_language, ()))

    def load(self, language: str) -> LanguagePart:
        """Read one language.

        Raises:
            CollectionError: The collection does not have the language, or its file is unusable.
        """
        if language not in self.languages and language not in self.query_languages:
            known = dict.fromkeys([*self.languages, *self.query_languages])
            raise CollectionError(f"{self.name} has no language {language!r}; it has {', '.join(known)}")
        return self.read(language)

    def passage_ids(self, language: str, count: int) -> list[str]:
        """Ids of the first ``count`` passages of a language.

        They are hashes: trec_eval and MTEB break ties by id, so an id that began with its language would turn every
        tie into a preference for one language.
        """
        return [
            hashlib.sha256(f"{self.name}/{language}/{position}".encode()).hexdigest()[:16] for position in range(count)
        ]
