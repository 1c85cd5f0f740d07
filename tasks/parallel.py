"""Retrieval in a parallel collection: questions and passages that are translations of each other, held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from datasets import Dataset, concatenate_datasets
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.types import PromptType

from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
from mteb_hybrid.tasks.pool import Pool
from mteb_hybrid.tasks.ranked import JudgedQueries, list_depth
from mteb_hybrid.tasks.settings import Setting, Subset, collection_subsets

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb_hybrid.collections import LanguagePart, ParallelCollection
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.ranked import RankedSubset


class AbsTaskParallelRetrieval(AbsTaskRankedRetrieval):
    """Retrieval in a parallel collection.

    Subclasses set ``metadata``, ``setting`` and

    Attributes:
        collection: Function that returns the collection.
    """

    collection: ClassVar[Callable[[], ParallelCollection]]

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Load the languages that the kept subsets name, and no others.

        Raises:
            CollectionError: A file of the collection is missing or damaged.
        """
        del num_proc, kwargs
        if self.data_loaded:
            return
        collection = type(self).collection()
        planned = self._planned()
        kept = {name: planned[name] for name in self.hf_subsets}
        named = {language for s in kept.values() for language in (s.query_language, *s.passage_languages)}
        parts = {language: collection.load(language) for language in sorted(named)}
        ids = {language: collection.passage_ids(language, len(part.passages)) for language, part in parts.items()}
        corpora = {language: _corpus(part, ids[language]) for language, part in parts.items()}
        pools: dict[tuple[str, ...], Dataset] = {}
        self.dataset = {}
        for name, subset in kept.items():
            languages = subset.passage_languages
            if languages not in pools:
                pools[languages] = concatenate_datasets([corpora[language] for language in languages])
            queries, relevant = _queries(parts, ids, subset)
            split = RetrievalSplitData(
                corpus=pools[languages], queries=queries, relevant_docs=relevant, top_ranked=None
            )
            self.dataset[name] = dict.fromkeys(self.eval_splits, split)
        self.data_loaded = True

    def texts(self, role: PromptType) -> list[str]:
        """All questions, or all passages, of the kept subsets, each once."""
        asked = role is PromptType.query
        splits = [split for by_split in self.dataset.values() for split in by_split.values()]
        tables = {id(table): table for table in (split["queries" if asked else "corpus"] for split in splits)}
        return list(dict.fromkeys(text for table in tables.values() for text in table["text"]))

    def _planned(self) -> dict[str, Subset]:
        """All subsets of the task by name."""
        return collection_subsets(self.setting, type(self).collection())

    def _subset(self, data_split: Any, subset: str) -> PoolSubset:
        where = f"{self.metadata.name} {subset}"
        pool = Pool.of(data_split["corpus"], where)
        data = JudgedQueries.of(
            data_split,
            pool.language_of,
            where=where,
            query_language=self._planned()[subset].query_language,
            pool=pool.sizes(),
            pooled=self.setting is Setting.MULTILINGUAL,
            parallel=True,
        )
        return PoolSubset(data, pool)


@dataclass(frozen=True, slots=True)
class PoolSubset:
    """A subset whose pool is held in memory.

    Attributes:
        data: Its questions and judgments.
        pool: Its passages.
    """

    data: JudgedQueries
    pool: Pool

    def language_of(self, passage_id: str) -> int:
        """Language of a passage as a position in the pool's languages; KeyError for an unknown passage."""
        return self.pool.language_of(passage_id)

    def tie_key(self, passage_id: str) -> str:
        """The id, as in trec_eval: our ids are hashes."""
        return passage_id

    def rank(self, embedder: Embedder) -> RankedSubset:
        """Exact ranks of the relevant passages."""
        from mteb_hybrid.tasks.dense import rank_dense  # torch waits until there is something to rank

        return rank_dense(embedder, self.data, self.pool, top_k=list_depth(self.data))


def _corpus(part: LanguagePart, ids: list[str]) -> Dataset:
    return Dataset.from_dict({"id": ids, "text": list(part.passages), "language": [part.language] * len(ids)})


def _queries(
    parts: dict[str, LanguagePart], ids: dict[str, list[str]], subset: Subset
) -> tuple[Dataset, dict[str, dict[str, int]]]:
    """The questions of the subset's query language that have relevant passages in its pool, and their judgments."""
    judged: dict[str, dict[str, int]] = {}
    for language in subset.passage_languages:
        for query_id, position, grade in parts[language].judgments():
            judged.setdefault(query_id, {})[ids[language][position]] = grade
    asked = parts[subset.query_language]
    kept = [
        (query_id, text) for query_id, text in zip(asked.query_ids, asked.queries, strict=True) if judged.get(query_id)
    ]
    queries = Dataset.from_dict({"id": [query_id for query_id, _ in kept], "text": [text for _, text in kept]})
    return queries, {query_id: judged[query_id] for query_id, _ in kept}
