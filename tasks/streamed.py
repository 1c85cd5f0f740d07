"""Retrieval in corpora that are larger than memory: a data set of the hub with a corpus in each language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from datasets import Dataset, concatenate_datasets
from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader, RetrievalSplitData

from mteb_hybrid.collections.hub import HubSource
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.streaming.corpus import Corpus, reopened
from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
from mteb_hybrid.tasks.ranked import JudgedQueries
from mteb_hybrid.tasks.settings import Setting, Subset
from mteb_hybrid.tasks.streamed_ranking import StreamedRanker, StreamedSubset, pool_position, qualified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mteb_hybrid.collections.hub import HubCollection


class AbsTaskStreamedRetrieval(AbsTaskRankedRetrieval):
    """Retrieval in a collection of the hub, monolingual or pooled.

    Subclasses set ``metadata``, ``setting`` and

    Attributes:
        hub: The collection.
        planned: Its subsets by name.
    """

    hub: ClassVar[HubCollection]
    planned: ClassVar[dict[str, Subset]]
    _ranker: StreamedRanker | None = None
    _used_path: str = ""  # what this class put into the metadata
    _made: dict[str, dict[str, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refresh()

    def refresh(self) -> None:
        """File results under the data that there is now, unless data is loaded."""
        if not self.data_loaded:
            source = self.source()
            self._use_revision(source.path, source.revision)

    def source(self) -> HubSource:
        """Where the data is read from, at the revision that results are filed under."""
        return self.data_source()

    def data_source(self) -> HubSource:
        """Where the data is read from: what the collection says, unless the task's metadata were given another path."""
        path = self.metadata.dataset["path"]
        if path in (self.hub.path, self._used_path):
            return self.hub.source()
        if Path(path).is_dir():
            return HubSource.of_folder(Path(path))
        return HubSource(path, self.metadata.dataset["revision"], None)

    def check(self) -> None:
        """See that a local folder, if one is named, is there.

        Raises:
            CollectionError: It is not.
        """
        self.source().check()

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Load the languages that the kept subsets name, and no others; corpora stay on disk, memory-mapped.

        Raises:
            CollectionError: A local folder is not what it should be.
        """
        del kwargs
        if self.data_loaded:
            return
        self.check()
        filed, source = self.source(), self.data_source()  # the first may name more than the data, such as translations
        self._use_revision(filed.path, filed.revision)
        kept = {name: self.planned[name] for name in self.hf_subsets}
        named = dict.fromkeys(language for subset in kept.values() for language in subset.passage_languages)
        with source.loading():
            loaded = {language: self._load(source, language, num_proc) for language in named}
            pools: dict[tuple[str, ...], Dataset] = {}
            self.dataset = {}
            for name, subset in kept.items():
                languages = subset.passage_languages
                pooled = self.setting is Setting.MULTILINGUAL
                if languages not in pools:
                    corpora = {language: loaded[language]["corpus"] for language in languages}
                    pools[languages] = _pool(corpora) if pooled else corpora[languages[0]]
                queries, relevant = self._questions(loaded, name, subset)
                if pooled:
                    own = subset.query_language
                    relevant = {
                        query: {qualified(own, passage): grade for passage, grade in judged.items()}
                        for query, judged in relevant.items()
                    }
                split = RetrievalSplitData(
                    corpus=pools[languages], queries=queries, relevant_docs=relevant, top_ranked=None
                )
                self.dataset[name] = dict.fromkeys(self.eval_splits, split)
        corpora_by_language = {
            language: Corpus(
                self.hub.name, language, self.hub.languages.index(language), data["corpus"], source.revision
            )
            for language, data in loaded.items()
        }
        self._ranker = StreamedRanker(corpora_by_language, {name: self._data(name, loaded) for name in kept})
        self._made = {name: dict(self.dataset[name][self.eval_splits[0]]) for name in kept}
        self.data_loaded = True

    def unload_data(self) -> None:
        """Let go of the data, and remove what was kept on disk to go on from."""
        super().unload_data()
        if self._ranker is not None:
            self._ranker.discard()
            self._ranker = None

    def _load(self, source: HubSource, language: str, num_proc: int | None) -> RetrievalSplitData:
        loader = RetrievalDatasetLoader(
            hf_repo=source.path, revision=source.revision, split=self.hub.split, config=language
        )
        data = loader.load(num_proc=num_proc)
        data["corpus"] = reopened(data["corpus"])  # drops the pages that loading has mapped
        return data

    def _questions(
        self, loaded: dict[str, RetrievalSplitData], name: str, subset: Subset
    ) -> tuple[Dataset, Mapping[str, Mapping[str, int]]]:
        """The questions of a subset and their judgments, by the passages' ids in their own language."""
        del name
        data = loaded[subset.query_language]
        return data["queries"], data["relevant_docs"]

    def _data(self, name: str, loaded: dict[str, RetrievalSplitData]) -> JudgedQueries:
        subset = self.planned[name]
        split = self.dataset[name][self.eval_splits[0]]
        pooled = self.setting is Setting.MULTILINGUAL

        def languages_of(passages: list[str]) -> NDArray[np.int64]:
            found = [pool_position(passage, subset.passage_languages) if pooled else 0 for passage in passages]
            return np.array(found, dtype=np.int64)

        return JudgedQueries.of(
            split["queries"][:],
            split["relevant_docs"],
            languages_of,
            where=f"{self.metadata.name} {name}",
            query_language=subset.query_language,
            pool={language: len(loaded[language]["corpus"]) for language in subset.passage_languages},
            pooled=pooled,
            parallel=False,
        )

    def _subset(self, data_split: Any, subset: str) -> StreamedSubset:
        assert self._ranker is not None
        if any(data_split[part] is not made for part, made in self._made[subset].items()):
            raise CollectionError(
                f"{self.metadata.name} {subset}: the task's dataset was changed after it was loaded, but its corpora "
                "are streamed from where they lie. Put the changed data into a folder in the hub's layout instead"
            )
        return StreamedSubset(self._ranker, subset)

    def _use_revision(self, path: str, revision: str) -> None:
        """File results under the data that they come from, which is not always the pinned one."""
        if (self.metadata.dataset["path"], self.metadata.dataset["revision"]) != (path, revision):
            if self.metadata.dataset["path"] in (self.hub.path, self._used_path):  # else the user's own
                self._used_path = path
            dataset = {**self.metadata.dataset, "path": path, "revision": revision}
            self.metadata = self.metadata.model_copy(update={"dataset": dataset})


def _pool(corpora: dict[str, Dataset]) -> Dataset:
    """All corpora as one memory-mapped table, with ids that tell languages apart: ``sw:32589#0``.

    Nothing but the ids is written anew.
    """
    parts = []
    for language, corpus in corpora.items():

        def with_language(ids: list[str], language: str = language) -> dict[str, list[str]]:
            return {"id": [qualified(language, one) for one in ids], "language": [language] * len(ids)}

        ids = corpus.map(
            with_language,
            batched=True,
            input_columns=["id"],
            remove_columns=corpus.column_names,
            desc=f"ids {language}",
        )
        kept = corpus.select_columns([column for column in ("title", "text") if column in corpus.column_names])
        parts.append(concatenate_datasets([ids, kept], axis=1))
    return concatenate_datasets(parts)
