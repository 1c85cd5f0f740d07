"""Dense encoders of MTEB: their prompts, their embeddings through the store, and exact ranks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.models import EncoderProtocol, SearchProtocol
from mteb.types import PromptType

from mteb_hybrid import _mteb
from mteb_hybrid.embeddings import STORE
from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.model_similarity import rank_with_model_similarity, recognise_similarity
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.tasks.ranked import RankedSubset

if TYPE_CHECKING:
    from collections.abc import Hashable

    from mteb.abstasks.task_metadata import TaskMetadata
    from numpy.typing import NDArray

    from mteb_hybrid.ranking import Ranking
    from mteb_hybrid.tasks.ranked import SubsetData

logger = logging.getLogger(__name__)

# options of `encode` that do not change what is encoded
_NEUTRAL_OPTIONS = {"batch_size", "show_progress_bar"}


def is_dense_encoder(model: Any) -> bool:
    """Whether a model encodes a text to one vector; the others go MTEB's own way."""
    if not isinstance(model, EncoderProtocol) or isinstance(model, SearchProtocol):
        return False
    meta = getattr(model, "mteb_model_meta", None)
    kinds = getattr(meta, "model_type", None) or ["dense"]
    return "dense" in kinds


def rank_dense(
    model: Any,
    data: SubsetData,
    *,
    metadata: TaskMetadata,
    split: str,
    subset: str,
    encode_kwargs: dict[str, Any],
    top_k: int,
) -> RankedSubset:
    """Exact ranks of a subset's relevant passages.

    Raises:
        EmbeddingError: The model's embeddings cannot be ranked; raised before anything is scored.
    """
    embedder = _Embedder(model, metadata, split, subset, encode_kwargs)
    queries = embedder.embed(data.queries, PromptType.query)
    passages = embedder.embed(data.passages, PromptType.document)
    if queries.shape[1] != passages.shape[1]:
        raise EmbeddingError(
            f"{embedder.describe} returned queries of dimension {queries.shape[1]} and passages of dimension "
            f"{passages.shape[1]}; first query: {data.queries[0]!r}"
        )
    similarity = recognise_similarity(model.similarity, queries, passages, _declared_similarity(model))
    ranking: Ranking
    if similarity is None:
        logger.info("%s has a similarity of its own: ranking by the scores that it returns", embedder.describe)
        ranking = rank_with_model_similarity(
            model.similarity, queries, passages, data.order, data.language, data.pair_query, data.pair_passage,
            segments=len(data.languages), top_k=top_k,
        )  # fmt: skip
    else:
        counter = RankCounter(
            queries, data.pair_query, passages[data.pair_passage], data.order[data.pair_passage],
            similarity=similarity, segments=len(data.languages), top_k=top_k,
        )  # fmt: skip
        for segment in range(len(data.languages)):
            rows = np.flatnonzero(data.language == segment)
            counter.count(passages[rows], data.order[rows], segment)
        ranking = counter.result()
    row_of_order = np.append(np.argsort(data.order), -1)  # position -1, no passage, stays -1
    return RankedSubset(
        data=data,
        rank=ranking.ranks(),
        retrieved=np.ones(len(data.pair_query), dtype=bool),
        depth=None,
        top_passage=row_of_order[ranking.top_order],
        top_score=ranking.top_scores,
        similarity=similarity or "model",
    )


class _Embedder:
    """Embeds the texts of one subset through the store, with the prompts that MTEB would use."""

    def __init__(
        self, model: Any, metadata: TaskMetadata, split: str, subset: str, encode_kwargs: dict[str, Any]
    ) -> None:
        self.model = model
        self.metadata = metadata
        self.split = split
        self.subset = subset
        self.options = encode_kwargs
        name = getattr(getattr(model, "mteb_model_meta", None), "name", None) or type(model).__name__
        self.describe = f"{name} on {metadata.name} {subset}"

    def embed(self, texts: list[str], role: PromptType) -> NDArray[np.float32]:
        """Embeddings of texts in a role: float32, shape (len(texts), dimension)."""
        options = tuple(sorted((k, repr(v)) for k, v in self.options.items() if k not in _NEUTRAL_OPTIONS))
        prompt = _mteb.resolved_prompt(self.model, self.metadata, role)
        shared = (role.value, prompt, self.metadata.type, repr(self.metadata.prompt), options)
        alone = (*shared, self.metadata.name, self.split, self.subset)
        if STORE.is_kept_apart(self.model, shared):
            return self._stored(texts, role, self.metadata, alone)
        if _mteb.uses_resolved_prompt_only(self.model):
            return self._stored(texts, role, self.metadata, shared)
        # any other encoder may do anything with the task's metadata, and is watched doing it
        watched, has_looked = _mteb.watch_metadata(self.metadata)
        embeddings = self._stored(texts, role, watched, shared)
        if not has_looked():
            return embeddings
        logger.warning("%s looks at the task: its embeddings are not shared between tasks and subsets", self.describe)
        STORE.keep_apart(self.model, shared)
        return self._stored(texts, role, self.metadata, alone)

    def _stored(self, texts: list[str], role: PromptType, metadata: TaskMetadata, key: Hashable) -> NDArray[np.float32]:
        def encode(unknown: list[str]) -> Any:
            return self.model.encode(
                _mteb.text_loader(unknown, self.metadata, role, self.options.get("batch_size", 32)),
                task_metadata=metadata,
                hf_split=self.split,
                hf_subset=self.subset,
                prompt_type=role,
                **self.options,
            )

        return STORE.embed(self.model, key, texts, encode, f"{self.describe} ({role.value})")


def _declared_similarity(model: Any) -> str | None:
    inner = getattr(getattr(model, "model", None), "similarity_fn_name", None)
    named = inner or getattr(getattr(model, "mteb_model_meta", None), "similarity_fn_name", None)
    return str(getattr(named, "value", named)) if named else None
