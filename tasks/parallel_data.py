"""The data of a parallel collection as MTEB holds it: queries, a corpus and judgments for each subset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datasets import concatenate_datasets
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData

from mteb_hybrid.tasks.in_memory import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasets import Dataset

    from mteb_hybrid.collections import LanguagePart, ParallelCollection
    from mteb_hybrid.tasks.settings import Subset


@dataclass(frozen=True, slots=True)
class ParallelData:
    """Some languages of a collection.

    Attributes:
        collection: Name and revision of the collection.
        searched: The languages that passages are searched in, in the collection's order.
        parts: Each language's questions, passages and judgments.
        ids: Ids of each language's passages.
        corpora: Each language's passages as a table.
    """

    collection: tuple[str, str]
    searched: tuple[str, ...]
    parts: dict[str, LanguagePart]
    ids: dict[str, list[str]]
    corpora: dict[str, Dataset]
    _pools: dict[tuple[str, ...], Dataset] = field(default_factory=dict)
    _grades: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    _queries: dict[tuple[str, tuple[str, ...]], Dataset] = field(default_factory=dict)

    @classmethod
    def of(cls, collection: ParallelCollection, subsets: Iterable[Subset]) -> ParallelData:
        """Load the languages that some subsets name, and no others.

        Raises:
            CollectionError: A file of the collection is missing or damaged.
        """
        subsets = list(subsets)
        searched = {language for subset in subsets for language in subset.passage_languages}
        named = sorted(searched | {subset.query_language for subset in subsets})
        parts = {language: collection.load(language) for language in named}
        ids = {language: collection.passage_ids(language, len(part.passages)) for language, part in parts.items()}
        corpora = {language: _corpus(part, ids[language]) for language, part in parts.items()}
        in_order = tuple(language for language in collection.languages if language in searched)
        return cls((collection.name, collection.revision), in_order, parts, ids, corpora)

    def split(self, subset: Subset) -> RetrievalSplitData:
        """The data of a subset; subsets with equal pools share the table of their passages."""
        queries, relevant = self.questions(subset)
        corpus = self.corpus(subset.passage_languages)
        return RetrievalSplitData(corpus=corpus, queries=queries, relevant_docs=relevant, top_ranked=None)

    def corpus(self, languages: tuple[str, ...]) -> Dataset:
        """The table of the passages of some languages: for equal languages it is the same one."""
        if len(languages) == 1:
            return self.corpora[languages[0]]
        if languages not in self._pools:
            self._pools[languages] = concatenate_datasets([self.corpora[language] for language in languages])
        return self._pools[languages]

    def languages_in(self, corpus: Dataset) -> tuple[str, ...]:
        """The languages of a table that `corpus` has put together; none for any other table."""
        return next((languages for languages, table in self._pools.items() if table is corpus), ())

    def questions(self, subset: Subset) -> tuple[Dataset, dict[str, dict[str, int]]]:
        """The questions of the subset's query language that have relevant passages in its pool, and their judgments.

        Equal questions are one table.
        """
        judged = [self._judged(language) for language in subset.passage_languages]
        asked = self.parts[subset.query_language]
        texts = zip(asked.query_ids, asked.queries, strict=True)
        kept = [(query_id, text) for query_id, text in texts if any(query_id in grades for grades in judged)]
        ids = tuple(query_id for query_id, _ in kept)
        if (subset.query_language, ids) not in self._queries:
            self._queries[subset.query_language, ids] = table({"id": list(ids), "text": [text for _, text in kept]})
        queries = self._queries[subset.query_language, ids]
        relevant: dict[str, dict[str, int]] = {query_id: {} for query_id, _ in kept}
        for grades in judged:
            for query_id, own in relevant.items():
                own.update(grades.get(query_id, ()))
        return queries, relevant

    def _judged(self, language: str) -> dict[str, dict[str, int]]:
        """The grades of a language's passages by question."""
        if language not in self._grades:
            grades: dict[str, dict[str, int]] = {}
            self._grades[language] = grades
            ids = self.ids[language]
            for query_id, position, grade in self.parts[language].judgments():
                grades.setdefault(query_id, {})[ids[position]] = grade
        return self._grades[language]


def _corpus(part: LanguagePart, ids: list[str]) -> Dataset:
    return table({"id": ids, "text": part.passages, "language": [part.language] * len(ids)})
