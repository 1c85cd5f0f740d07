"""Retrieval in a parallel collection: questions and passages that are translations of each other, held in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from mteb.types import PromptType

from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
from mteb_hybrid.tasks.parallel_data import ParallelData
from mteb_hybrid.tasks.pool import Pool
from mteb_hybrid.tasks.ranked import JudgedQueries, list_depth
from mteb_hybrid.tasks.settings import Setting, Subset, collection_subsets
from mteb_hybrid.tasks.together import evaluated_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb_hybrid.collections import ParallelCollection
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.ranked import RankedSubset


class AbsTaskParallelRetrieval(AbsTaskRankedRetrieval):
    """Retrieval in a parallel collection.

    Subclasses set ``metadata``, ``setting`` and

    Attributes:
        collection: Function that returns the collection.
    """

    collection: ClassVar[Callable[[], ParallelCollection]]
    _loaded: ParallelData | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pools: dict[int, tuple[Any, Pool]] = {}

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Load the languages that the kept subsets name, and no others.

        Raises:
            CollectionError: A file of the collection is missing or damaged.
        """
        del num_proc, kwargs
        if self.data_loaded:
            return
        kept = self._kept()
        self._loaded = ParallelData.of(type(self).collection(), kept.values())
        self.dataset = {
            name: dict.fromkeys(self.eval_splits, self._loaded.split(subset)) for name, subset in kept.items()
        }
        self.data_loaded = True

    def unload_data(self) -> None:
        """Let go of the data."""
        super().unload_data()
        self._loaded = None
        self._pools.clear()

    def texts(self, role: PromptType) -> list[str]:
        """All questions, or all passages, of the kept subsets, each once."""
        asked = role is PromptType.query
        splits = [split for by_split in self.dataset.values() for split in by_split.values()]
        tables = {id(table): table for table in (split["queries" if asked else "corpus"] for split in splits)}
        return list(dict.fromkeys(text for table in tables.values() for text in table["text"]))

    def _planned(self) -> dict[str, Subset]:
        """All subsets of the task by name."""
        return collection_subsets(self.setting, type(self).collection())

    def _kept(self) -> dict[str, Subset]:
        """The kept subsets by name."""
        planned = self._planned()
        return {name: planned[name] for name in self.hf_subsets}

    @property
    def pooled(self) -> bool:
        """Whether pools mix languages."""
        return self.setting is Setting.MULTILINGUAL

    def _subset(self, data_split: Any, subset: str) -> PoolSubset:
        planned = self._planned()[subset]
        ranked = self._made(data_split, planned, f"{self.metadata.name} {subset}", pooled=self.pooled)
        if self._loaded is None:
            return ranked
        asked_again = sum(other.query_language == planned.query_language for other in self._kept().values()) > 1
        pays = asked_again or self._is_pooled_beside(self._loaded)
        return replace(
            ranked,
            collection=self._loaded.collection,
            whole=functools.partial(self._whole, self._loaded, planned.query_language) if pays else None,
        )

    def _is_pooled_beside(self, loaded: ParallelData) -> bool:
        """Whether a task of the same run pools the passages that this one searches."""
        collection = type(self).collection
        beside = [task for task in evaluated_together() if isinstance(task, AbsTaskParallelRetrieval)]
        return loaded.is_complete and any(task.pooled and type(task).collection == collection for task in beside)

    def _whole(self, loaded: ParallelData, language: str) -> tuple[PoolSubset, int]:
        """The pooled subset that those of a query language are parts of, and the depth of lists that it is wanted with.

        A pooled task wants lists.
        """
        asked = Subset(language, loaded.searched)
        where = f"{self.metadata.name}, questions in {language}"
        pooled = self._made(loaded.split(asked), asked, where, pooled=True)
        return pooled, list_depth(pooled.data) if self._is_pooled_beside(loaded) else 0

    def _made(self, data_split: Any, subset: Subset, where: str, *, pooled: bool) -> PoolSubset:
        pool = self._pool(data_split["corpus"], where)
        data = JudgedQueries.of(
            data_split,
            pool.languages_of,
            where=where,
            query_language=subset.query_language,
            pool=pool.sizes(),
            pooled=pooled,
            parallel=True,
        )
        return PoolSubset(data, pool)

    def _pool(self, corpus: Any, where: str) -> Pool:
        """The passages of a table, which is read once."""
        table, pool = self._pools.get(id(corpus), (None, None))
        if pool is None or table is not corpus:
            pool = Pool.of(corpus, where)
            self._pools[id(corpus)] = corpus, pool
        return pool


@dataclass(frozen=True, slots=True)
class PoolSubset:
    """A subset whose pool is held in memory.

    Attributes:
        data: Its questions and judgments.
        pool: Its passages.
        collection: Name and revision of the collection that they are of; None if that is not known.
        whole: Makes the pooled subset that this one and others are parts of, with the depth of lists that is wanted;
            None if there is none that pays.
    """

    data: JudgedQueries
    pool: Pool
    collection: tuple[str, str] | None = None
    whole: Callable[[], tuple[PoolSubset, int]] | None = None

    def language_of(self, passage_id: str) -> int:
        """Language of a passage as a position in the pool's languages; KeyError for an unknown passage."""
        return self.pool.language_of(passage_id)

    def tie_key(self, passage_id: str) -> str:
        """The id, as in trec_eval: our ids are hashes."""
        return passage_id

    def rank(self, embedder: Embedder) -> RankedSubset:
        """Exact ranks of the relevant passages, taken from a pass over a larger pool where there is one."""
        from mteb_hybrid.tasks.pooled_ranks import rank_subset  # torch waits until there is something to rank

        return rank_subset(embedder, self, top_k=list_depth(self.data))
