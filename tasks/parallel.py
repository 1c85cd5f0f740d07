"""Retrieval in a parallel collection: questions and passages that are translations of each other, held in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from mteb.types import PromptType

from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
from mteb_hybrid.tasks.in_memory import Columns
from mteb_hybrid.tasks.parallel_data import ParallelData
from mteb_hybrid.tasks.pool import Pool
from mteb_hybrid.tasks.ranked import JudgedQueries, list_depth
from mteb_hybrid.tasks.settings import Setting, Subset, collection_subsets
from mteb_hybrid.tasks.together import Evaluated, evaluated_together, together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData

    from mteb_hybrid.collections import ParallelCollection
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.ranked import RankedSubset

    JointSubset = Callable[[Callable[[Sequence[str]], bool], Collection[str]], "PoolSubset | None"]


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
        self._columns = Columns()
        self._tables: dict[str, tuple[Any, ...]] = {}

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
        splits = {name: self._loaded.split(subset) for name, subset in kept.items()}
        self._tables = {name: _tables(split) for name, split in splits.items()}
        self.dataset = {name: dict.fromkeys(self.eval_splits, split) for name, split in splits.items()}
        self.data_loaded = True

    def unload_data(self) -> None:
        """Let go of the data."""
        super().unload_data()
        self._loaded = None
        self._pools.clear()
        self._columns.clear()
        self._tables.clear()

    def evaluate(
        self, model: Any, split: str = "test", subsets_to_run: list[str] | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """As in MTEB; by hand, outside of `mteb.evaluate`, it is a run of this task and the subsets that are named."""
        if any(one.task is self for one in evaluated_together()):
            return super().evaluate(model, split, subsets_to_run, **options)
        asked = self._kept().keys() if subsets_to_run is None else subsets_to_run
        with together([Evaluated(self, frozenset(asked))]):
            return super().evaluate(model, split, subsets_to_run, **options)

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
        return planned if self.hf_subsets is None else {name: planned[name] for name in self.hf_subsets}

    @property
    def pooled(self) -> bool:
        """Whether pools mix languages."""
        return self.setting is Setting.MULTILINGUAL

    def _subset(self, data_split: Any, subset: str) -> PoolSubset:
        planned, loaded = self._planned()[subset], self._loaded
        where = f"{self.metadata.name} {subset}"
        pool = self._pool(data_split["corpus"], where)
        ranked = self._pool_subset(data_split, planned, pool, where, pooled=self.pooled)
        if loaded is None or not self._is_as_loaded(subset):
            return ranked
        joint = functools.partial(self._joint, loaded, planned.query_language)
        return replace(ranked, collection=loaded.collection, joint=joint)

    def _is_as_loaded(self, subset: str) -> bool:
        """Whether the data of a subset is what `load_data` made, and nobody has put other data in its place."""
        loaded = self._tables.get(subset)
        splits = self.dataset[subset].values()
        return loaded is not None and all(
            table is own for split in splits for table, own in zip(_tables(split), loaded, strict=True)
        )

    def _joint(
        self, loaded: ParallelData, language: str, has: Callable[[Sequence[str]], bool], without: Collection[str]
    ) -> PoolSubset | None:
        """See `PoolSubset.joint`."""
        searched = {
            passage_language
            for subset in self._evaluated().values()
            if subset.query_language == language
            for passage_language in subset.passage_languages
        }
        wanted = searched.difference(without)
        if len(wanted) > 1:
            wanted = {name for name in wanted if self._is_known(loaded, name, has)}
        if len(wanted) < 2:
            return None
        whole = tuple(type(self).collection().languages)
        pooled = self._is_pooled_beside(language) and all(self._is_known(loaded, name, has) for name in whole)
        asked = Subset(language, tuple(name for name in loaded.searched if pooled or name in wanted))
        where = f"{self.metadata.name}, questions in {language}"
        pool = Pool.joined([self._pool(loaded.corpora[name], where) for name in asked.passage_languages], where)
        queries, relevant = loaded.questions(asked)
        return self._pool_subset({"queries": queries, "relevant_docs": relevant}, asked, pool, where, pooled=pooled)

    @staticmethod
    def _is_known(loaded: ParallelData, language: str, has: Callable[[Sequence[str]], bool]) -> bool:
        return language in loaded.searched and has(loaded.parts[language].passages)

    def _evaluated(self) -> dict[str, Subset]:
        """Those of the kept subsets that are evaluated."""
        here = next(one.subsets for one in evaluated_together() if one.task is self)
        return {name: subset for name, subset in self._kept().items() if name in here}

    def _is_pooled_beside(self, language: str) -> bool:
        """Whether a task of the same run asks the questions of a language of the whole collection."""
        return any(
            one.task.pooled and type(one.task).collection == type(self).collection and language in one.subsets
            for one in evaluated_together()
            if isinstance(one.task, AbsTaskParallelRetrieval)
        )

    def _pool_subset(self, split: Any, subset: Subset, pool: Pool, where: str, *, pooled: bool) -> PoolSubset:
        data = JudgedQueries.of(
            self._columns.of(split["queries"]),
            split["relevant_docs"],
            pool.languages_of,
            where=where,
            query_language=subset.query_language,
            pool=pool.sizes(),
            pooled=pooled,
            parallel=True,
        )
        return PoolSubset(data, pool)

    def _pool(self, corpus: Any, where: str) -> Pool:
        """The passages of a table, which is read once, and not again where several languages are one pool."""
        table, pool = self._pools.get(id(corpus), (None, None))
        if pool is None or table is not corpus:
            loaded = self._loaded
            if loaded is not None and (languages := loaded.languages_in(corpus)):
                pool = Pool.joined([self._pool(loaded.corpora[name], where) for name in languages], where)
            else:
                pool = Pool.of(corpus, where)
            self._pools[id(corpus)] = corpus, pool
        return pool


def _tables(split: RetrievalSplitData) -> tuple[Any, ...]:
    return split["corpus"], split["queries"], split["relevant_docs"]


@dataclass(frozen=True, slots=True)
class PoolSubset:
    """A subset whose pool is held in memory.

    Attributes:
        data: Its questions and judgments.
        pool: Its passages.
        collection: Name and revision of the collection that they are of; None if they are of none, or are not known to
            be as they were there.
        joint: Makes the subset that this one and others of its query language are parts of, given which passages
            are embedded already and which languages to leave out; None if there are no others. So that nothing is
            encoded in vain, it searches no passages but embedded ones.
    """

    data: JudgedQueries
    pool: Pool
    collection: tuple[str, str] | None = None
    joint: JointSubset | None = None

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
