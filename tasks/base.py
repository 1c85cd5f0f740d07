"""The base of all our tasks: full rankings instead of MTEB's lists of 1,000, and scores of language bias.

Scores come from the ranks of the relevant passages over the whole pool. Models that are no dense encoders go through
MTEB's own search, and the same metrics are computed from its lists (`mteb_hybrid.tasks.search`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mteb.abstasks.retrieval import AbsTaskRetrieval

from mteb_hybrid.errors import FaissError
from mteb_hybrid.tasks.embedder import Embedder, is_dense_encoder
from mteb_hybrid.tasks.engine import engine
from mteb_hybrid.tasks.faiss_search import FaissSearch
from mteb_hybrid.tasks.predictions import save_rank_table
from mteb_hybrid.tasks.scores import scores_of
from mteb_hybrid.tasks.search import full_candidates, rank_from_lists

if TYPE_CHECKING:
    from pathlib import Path

    from mteb.types import PromptType

    from mteb_hybrid.tasks.ranked import JudgedQueries, RankedSubset
    from mteb_hybrid.tasks.settings import Setting


class SubsetData(Protocol):
    """One subset, ready to be ranked."""

    @property
    def data(self) -> JudgedQueries:
        """Its questions and judgments."""

    def language_of(self, passage_id: str) -> int:
        """Language of a passage as a position in the pool's languages; KeyError for an unknown passage."""

    def tie_key(self, passage_id: str) -> str:
        """What decides among equal scores in a list, the larger first; no language is favoured by it."""

    def rank(self, embedder: Embedder) -> RankedSubset | None:
        """Exact ranks of the relevant passages; None if this encoder has to go through MTEB's search."""


class AbsTaskRankedRetrieval(AbsTaskRetrieval):
    """Retrieval that is scored from exact ranks over the whole pool.

    Subclasses load the data and say how it is judged and ranked.

    Attributes:
        setting: Which questions are asked of which passages.
    """

    setting: ClassVar[Setting]
    _lists: dict[str, dict[str, float]]

    @abstractmethod
    def _subset(self, data_split: Any, subset: str) -> SubsetData:
        """The questions, judgments and passages of a subset, from MTEB's data of it."""

    def texts(self, role: PromptType) -> list[str]:
        """All texts of the kept subsets in a role, as far as they are held in memory: for engines that need many."""
        del role
        return []

    def refresh(self) -> None:
        """Before a run: look again where the data comes from, since the task may be older than the environment."""

    def check(self) -> None:
        """Find out before a run whether the data of the kept subsets can be had, as far as that costs little.

        Raises:
            MtebHybridError: It cannot; the message says what to do.
        """

    def unload_data(self) -> None:
        """Let go of the data."""
        own = self.__dict__.get("metadata")
        super().unload_data()
        if own is not None:  # newer versions of MTEB drop it, and with it the revision that results are filed under
            self.metadata = own

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
        subset = self._subset(data_split, hf_subset)
        ranked: RankedSubset | None = None
        scores: dict[str, float] = {}
        encoder = model.model if isinstance(model, FaissSearch) else model
        embedder = Embedder(encoder, self.metadata, hf_split, hf_subset, encode_kwargs)
        if isinstance(model, FaissSearch):
            if data_split["top_ranked"] is not None:
                raise FaissError(
                    f"{embedder.describe}: the task has candidates to rerank, and FAISS searches the pool: run it "
                    "without FAISS"
                )
            engine().prepare(embedder, self.texts)
            ranked, scores = model.rank(embedder, subset, self._top_k)
        elif is_dense_encoder(model) and data_split["top_ranked"] is None:
            engine().prepare(embedder, self.texts)
            ranked = subset.rank(embedder)
        if ranked is None:
            scores, ranked = self._search(model, data_split, subset, encode_kwargs, hf_split, hf_subset, **kwargs)
        scores |= scores_of(ranked)
        if prediction_folder is not None:
            save_rank_table(prediction_folder, model, self.metadata, hf_split, hf_subset, ranked, encode_kwargs)
        return scores

    def _search(
        self,
        model: Any,
        data_split: Any,
        subset: SubsetData,
        encode_kwargs: Any,
        hf_split: str,
        hf_subset: str,
        **kwargs: Any,
    ) -> tuple[dict[str, float], RankedSubset]:
        """MTEB's stock search and its scores, and the ranks from its lists."""
        depth = self._top_k
        data_split = dict(data_split)
        candidates = full_candidates(model, subset.data, data_split["corpus"], data_split["top_ranked"])
        if candidates is not None:
            data_split["top_ranked"] = candidates
            self._top_k = subset.data.pool_size
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
            return dict(scores), rank_from_lists(
                lists, subset.data, subset.language_of, depth=self._top_k, tie_key=subset.tie_key
            )
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
