"""Search through MTEB's FAISS backend, and what it loses against exact ranks from the same embeddings."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid import _mteb
from mteb_hybrid.errors import FaissError
from mteb_hybrid.tasks.embedder import is_dense_encoder
from mteb_hybrid.tasks.faiss_index import FaissIndex, PoolIndexes, check_faiss
from mteb_hybrid.tasks.ranked import list_depth
from mteb_hybrid.tasks.scores import scores_of
from mteb_hybrid.tasks.search import rank_from_lists
from mteb_hybrid.tasks.together import all_tasks, our_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mteb_hybrid.exact import Similarity
    from mteb_hybrid.tasks.base import SubsetData
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.ranked import RankedSubset

_SAMPLE = 64  # texts that tell, before a pool is encoded, whether FAISS can search it
_asked: ContextVar[FaissIndex | None] = ContextVar("faiss", default=None)


class FaissSearch:
    """A dense encoder whose pools are searched through MTEB's FAISS backend; `mteb.evaluate` takes it as a model.

    Results and rank tables are filed as an experiment of the encoder that names the index, never as its own.

    Args:
        model: The encoder, as `mteb.evaluate` takes it.
        factory: What FAISS is to build, as in `FaissIndex`.
        parameters: What is to be set on it, likewise.

    Attributes:
        model: The encoder.
        mteb_model_meta: Its metadata, with the index.

    Raises:
        FaissError: FAISS is not installed, or the model is no dense encoder.
    """

    def __init__(self, model: Any, factory: str = "Flat", parameters: str = "") -> None:
        check_faiss()
        self.model = _mteb.loaded_model(model)
        meta = _mteb.model_meta_of(self.model)
        if not is_dense_encoder(self.model):
            raise FaissError(
                f"{meta.name} is no dense encoder, one that gives a vector for each text: run it without FAISS"
            )
        index = FaissIndex(factory, parameters)
        self._indexes = PoolIndexes(index)
        experiment = {**(meta.experiment_kwargs or {}), **index.experiment()}
        self.mteb_model_meta = meta.model_copy(update={"experiment_kwargs": experiment})

    def rank(self, embedder: Embedder, subset: SubsetData, depth: int) -> tuple[RankedSubset, dict[str, float]]:
        """Search the pool of a subset, through FAISS and exactly.

        Args:
            embedder: Of the encoder, on this subset.
            subset: The subset.
            depth: The most passages that FAISS is asked for.

        Returns:
            Ranks of the relevant passages on FAISS's lists, and the loss, as in `loss_of`.

        Raises:
            FaissError: The pool is streamed, or FAISS cannot search it. A few encoded texts tell, unless it is that
                the pool is too small for the index.
            EmbeddingError: The model's embeddings cannot be ranked.
        """
        from mteb_hybrid.tasks.dense import Embedded, rank_embedded  # torch waits until there is something to rank
        from mteb_hybrid.tasks.parallel import PoolSubset

        if not isinstance(subset, PoolSubset):
            raise FaissError(
                f"{embedder.describe}: the corpus is streamed, and FAISS would hold all of it in memory: run it "
                "without FAISS"
            )
        data, pool = subset.data, subset.pool
        few = Embedded.of(embedder, data, pool, first=_SAMPLE)
        _searchable(few.similarity, embedder.describe)
        self._indexes.index.empty(few.passages.shape[1], embedder.describe)
        embedded = Embedded.of(embedder, data, pool)
        similarity = _searchable(embedded.similarity, embedder.describe)
        backend = self._indexes.of(embedded.passages, similarity, embedder.describe)
        asked = min(depth, data.pool_size)
        scores, rows = backend.search(embedded.queries, asked, embedder.model.similarity)
        lists = {
            query_id: {pool.ids[row]: score for row, score in zip(*found, strict=True) if row >= 0}  # -1: nothing found
            for query_id, *found in zip(data.query_ids, rows, scores, strict=True)
        }
        found = rank_from_lists(lists, data, subset.language_of, depth=depth, tie_key=subset.tie_key)
        lengths = np.full(len(data.query_ids), asked)  # a list that ends before is cut short by the index
        found = replace(found, depth=depth, lengths=lengths, similarity="faiss", approximate=True)
        exact = rank_embedded(embedder, data, pool, embedded, top_k=list_depth(data))
        return found, loss_of(found, exact, asked)


def _searchable(similarity: Similarity | None, describe: str) -> Similarity:
    if similarity is None:
        raise FaissError(
            f"{describe}: FAISS searches by cosine or dot product, and the model's similarity is neither: run it "
            "without FAISS"
        )
    return similarity


def loss_of(found: RankedSubset, exact: RankedSubset, depth: int) -> dict[str, float]:
    """What the lists of an index lose against exact ranks.

    Args:
        found: Ranks on the lists.
        exact: Exact ranks of the same pairs.
        depth: The most passages that a list can have.

    Returns:
        ``faiss_depth``; ``faiss_recall_of_relevant``, the share on the lists of those relevant passages that an exact
        list of this depth has, absent if it has none; and for each score of the lists that the exact ranks have too,
        ``faiss_error_<score>``, which is the lists' less the exact one.
    """
    reachable = exact.rank <= depth
    loss = {"faiss_depth": float(depth)}
    if reachable.any():
        loss["faiss_recall_of_relevant"] = float(found.retrieved[reachable].mean())
    expected = scores_of(replace(exact, depth=found.depth, lengths=found.lengths, retrieved=reachable))
    for name, score in scores_of(found).items():
        if name in expected and not name.endswith("_left_out"):
            loss[f"faiss_error_{name}"] = score - expected[name]
    return loss


@contextlib.contextmanager
def searching_with_faiss(factory: str = "Flat", parameters: str = "") -> Iterator[None]:
    """Within it, every `mteb.evaluate` searches with `FaissSearch`, whatever encoder it is given.

    Raises:
        FaissError: FAISS is not installed.
    """
    check_faiss()
    token = _asked.set(FaissIndex(factory, parameters))
    try:
        yield
    finally:
        _asked.reset(token)


def searched(model: Any, tasks: Any) -> Any:
    """Before a run: the model as it is to be searched, which is itself unless FAISS was asked for.

    Raises:
        FaissError: FAISS cannot search it or one of the tasks, or the results of an index would be filed as exact.
    """
    asked = _asked.get()
    if asked is not None or isinstance(model, FaissSearch):
        from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval

        others = [task.metadata.name for task in all_tasks(tasks) if not isinstance(task, AbsTaskParallelRetrieval)]
        if others:
            raise FaissError(
                f"not with FAISS: {', '.join(others)}. Run them without. It searches parallel collections, our "
                "own and users'; MIRACL's corpora are streamed, since they may be larger than memory, and tasks of "
                "others have no exact ranks to compare with"
            )
    elif _mteb.searches_faiss(model) and any(our_tasks(tasks)):
        raise FaissError(
            "results of MTEB's SearchEncoderWrapper with a FaissSearchIndex would be filed as exact ones of its model: "
            "evaluate mteb_hybrid.tasks.faiss_search.FaissSearch(model) instead, which tells them apart"
        )
    if asked is None or isinstance(model, FaissSearch):
        return model
    return FaissSearch(model, asked.factory, asked.parameters)
