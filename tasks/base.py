"""The base of all our tasks: a parallel collection in one of the three settings, ranked exactly.

Scores come from the ranks of the relevant passages over the whole pool. Models that are no dense encoders go through
MTEB's own search, and the same metrics are computed from its lists (`mteb_hybrid.tasks.search`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from datasets import Dataset, concatenate_datasets
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData

from mteb_hybrid.tasks.predictions import save_rank_table
from mteb_hybrid.tasks.ranked import TOP_K, RankedSubset, SubsetData
from mteb_hybrid.tasks.scores import scores_of
from mteb_hybrid.tasks.search import full_candidates, rank_from_lists
from mteb_hybrid.tasks.settings import Setting, Subset, subsets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mteb_hybrid.collections import LanguagePart, ParallelCollection


class AbsTaskParallelRetrieval(AbsTaskRetrieval):
    """Retrieval in a parallel collection.

    Subclasses set ``metadata``, and

    Attributes:
        collection: Function that returns the collection.
        setting: Which questions are asked of which passages.
    """

    collection: ClassVar[Callable[[], ParallelCollection]]
    setting: ClassVar[Setting]
    _lists: dict[str, dict[str, float]]

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Load the languages that the kept subsets name, and no others.

        Raises:
            CollectionError: A file of the collection is missing or damaged.
        """
        del num_proc, kwargs
        if self.data_loaded:
            return
        collection = type(self).collection()
        planned = subsets(self.setting, collection.languages)
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

    def _evaluate_subset(
        self,
        model: Any,
        data_split: Any,
        *,
        encode_kwargs: Any,
        hf_split: str,
        hf_subset: str,
        prediction_folder: Path | None = None,
        **kwargs: Any,
    ) -> dict[str, float]:
        """Rank, score and, if a prediction folder is given, write the rank table of one subset."""
        from mteb_hybrid.tasks.dense import is_dense_encoder, rank_dense  # torch waits until there is something to rank

        subset = subsets(self.setting, type(self).collection().languages)[hf_subset]
        data = SubsetData.from_split(data_split, pooled=self.setting is Setting.MULTILINGUAL)
        scores: dict[str, float] = {}
        if is_dense_encoder(model) and data_split["top_ranked"] is None:
            ranked = rank_dense(
                model,
                data,
                metadata=self.metadata,
                split=hf_split,
                subset=hf_subset,
                encode_kwargs=encode_kwargs,
                top_k=TOP_K if data.pooled else 0,
            )
        else:
            scores, ranked = self._search(model, data_split, data, encode_kwargs, hf_split, hf_subset, **kwargs)
        scores |= scores_of(ranked)
        if prediction_folder is not None:
            save_rank_table(
                prediction_folder,
                model,
                self.metadata,
                hf_split,
                hf_subset,
                subset.query_language,
                ranked,
                encode_kwargs,
            )
        return scores

    def _search(
        self,
        model: Any,
        data_split: Any,
        data: SubsetData,
        encode_kwargs: Any,
        hf_split: str,
        hf_subset: str,
        **kwargs: Any,
    ) -> tuple[dict[str, float], RankedSubset]:
        """MTEB's stock search and its scores, and the ranks from its lists."""
        depth = self._top_k
        data_split = dict(data_split)
        candidates = full_candidates(model, data, data_split["top_ranked"])
        if candidates is not None:
            data_split["top_ranked"] = candidates
            self._top_k = len(data.passage_ids)
        try:
            scores = super()._evaluate_subset(
                model,
                data_split,
                encode_kwargs=encode_kwargs,
                hf_split=hf_split,
                hf_subset=hf_subset,
                prediction_folder=None,
                **kwargs,
            )
            lists, self._lists = self._lists, {}
            return dict(scores), rank_from_lists(lists, data, depth=self._top_k)
        finally:
            self._top_k = depth

    def task_specific_scores(
        self,
        scores: dict[str, dict[str, float]],
        qrels: Any,
        results: dict[str, dict[str, float]],
        hf_split: str,
        hf_subset: str,
    ) -> dict[str, float]:
        """Take the lists of MTEB's search from the one place where it hands them out."""
        del scores, qrels, hf_split, hf_subset
        self._lists = results
        return {}


def _corpus(part: LanguagePart, ids: list[str]) -> Dataset:
    return Dataset.from_dict({"id": ids, "text": list(part.passages), "language": [part.language] * len(ids)})


def _queries(
    parts: dict[str, LanguagePart], ids: dict[str, list[str]], subset: Subset
) -> tuple[Dataset, dict[str, dict[str, int]]]:
    """The questions of the subset's query language that have relevant passages in its pool, and their judgments."""
    judged: dict[str, dict[str, int]] = {}
    for language in subset.passage_languages:
        part = parts[language]
        for query_id, positions in zip(part.query_ids, part.relevant, strict=True):
            judged.setdefault(query_id, {}).update({ids[language][position]: 1 for position in positions})
    asked = parts[subset.query_language]
    kept = [
        (query_id, text) for query_id, text in zip(asked.query_ids, asked.queries, strict=True) if judged.get(query_id)
    ]
    queries = Dataset.from_dict({"id": [query_id for query_id, _ in kept], "text": [text for _, text in kept]})
    return queries, {query_id: judged[query_id] for query_id, _ in kept}
