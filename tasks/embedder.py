"""A dense encoder of MTEB on one subset: the prompt it really uses, what may be shared, and checked embeddings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mteb.models import EncoderProtocol, SearchProtocol
from mteb.types import PromptType

from mteb_hybrid import _mteb
from mteb_hybrid.embeddings import STORE, checked_embeddings
from mteb_hybrid.tasks.engine import engine
from mteb_hybrid.tasks.loader import text_loader

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from mteb.abstasks.task_metadata import TaskMetadata
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# options of `encode` that do not change what is encoded
_NEUTRAL_OPTIONS = {"batch_size", "show_progress_bar"}
DEFAULT_BATCH = 32


def is_dense_encoder(model: Any) -> bool:
    """Whether a model encodes a text to one vector; the others go MTEB's own way."""
    if not isinstance(model, EncoderProtocol) or isinstance(model, SearchProtocol):
        return False
    meta = getattr(model, "mteb_model_meta", None)
    kinds = getattr(meta, "model_type", None) or ["dense"]
    return "dense" in kinds


def declared_similarity(model: Any) -> str | None:
    """What a model calls its similarity, if it says so."""
    inner = getattr(getattr(model, "model", None), "similarity_fn_name", None)
    named = inner or getattr(getattr(model, "mteb_model_meta", None), "similarity_fn_name", None)
    return str(getattr(named, "value", named)) if named else None


class Embedder:
    """Embeds the texts of one subset, with the prompts that MTEB would use.

    Args:
        model: The encoder.
        metadata: The task's.
        split: Name of the split.
        subset: Name of the subset.
        encode_kwargs: Options of ``model.encode``.
    """

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
        """Embeddings of texts in a role, each distinct text encoded once in a run.

        Returns:
            float32, shape (len(texts), dimension), finite and without zero rows.

        Raises:
            EmbeddingError: The model's embeddings cannot be ranked.
        """
        shared, alone = self._keys(role)
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

    def embed_once(self, texts: list[str], role: PromptType) -> NDArray[np.float32]:
        """The same, kept nowhere: for corpora that are larger than memory."""
        raw = self._encode(texts, role, self.metadata)
        return checked_embeddings(raw, texts, f"{self.describe} ({role.value})")

    def is_shared(self) -> bool:
        """Whether embeddings hold for other subsets too; known once queries and documents were embedded."""
        return not any(STORE.is_kept_apart(self.model, self._keys(role)[0]) for role in PromptType)

    def has(self, texts: Sequence[str], role: PromptType) -> bool:
        """Whether the embeddings of all these texts are at hand, so that nothing would be encoded."""
        return STORE.has(self.model, self.key(role), texts)

    def key(self, role: PromptType) -> Hashable:
        """Whatever besides the model and the text decides an embedding in a role."""
        shared, alone = self._keys(role)
        return alone if STORE.is_kept_apart(self.model, shared) else shared

    def _keys(self, role: PromptType) -> tuple[tuple[Hashable, ...], tuple[Hashable, ...]]:
        """The key under which embeddings are shared between tasks and subsets, and the one where they are not."""
        options = tuple(sorted((k, repr(v)) for k, v in self.options.items() if k not in _NEUTRAL_OPTIONS))
        prompt = _mteb.resolved_prompt(self.model, self.metadata, role)
        shared = (role.value, prompt, self.metadata.type, repr(self.metadata.prompt), options)
        return shared, (*shared, self.metadata.name, self.split, self.subset)

    def _stored(self, texts: list[str], role: PromptType, metadata: TaskMetadata, key: Hashable) -> NDArray[np.float32]:
        def encode(unknown: list[str]) -> Any:
            return self._encode(unknown, role, metadata)

        return STORE.embed(self.model, key, texts, encode, f"{self.describe} ({role.value})")

    def _encode(self, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        return engine().encode(self, texts, role, metadata)

    def call_model(self, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        """What the model returns for texts, here and now; if a GPU's memory is too small, in smaller batches."""
        import torch

        while True:
            try:
                return self._call(texts, role, metadata)
            except torch.OutOfMemoryError as error:
                size = int(self.options.get("batch_size", DEFAULT_BATCH))
                if size <= 1:
                    raise
                shown = str(error).partition("\n")[0]
            # outside of the handler: the exception's traceback holds the tensors of the batch that was too large
            self.options = {**self.options, "batch_size": size // 2}
            logger.warning(
                "%s: out of memory with batches of %d, going on with %d (%s)", self.describe, size, size // 2, shown
            )
            torch.cuda.empty_cache()

    def _call(self, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        return self.model.encode(
            text_loader(texts, role, self.options.get("batch_size", DEFAULT_BATCH)),
            task_metadata=metadata,
            hf_split=self.split,
            hf_subset=self.subset,
            prompt_type=role,
            **self.options,
        )
