"""Models that this package adds to MTEB's registry, and local model directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb_hybrid.languages import LANGUAGE_SCRIPTS

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

__all__ = ["char_ngram_meta", "load_char_ngram"]

CHAR_NGRAM = "mteb-hybrid/char-ngram"


def load_char_ngram(name: str, revision: str | None = None, device: str | None = None, **kwargs: Any) -> Any:
    """MTEB's loader of the embedded baseline; it needs no download and ignores the device."""
    from mteb_hybrid.models.char_ngram import CharNgramEncoder

    return CharNgramEncoder(name, revision, device=device, **kwargs)


def char_ngram_meta() -> ModelMeta:
    """Metadata of the embedded baseline ``mteb-hybrid/char-ngram``."""
    from mteb.models.model_meta import ModelMeta, ScoringFunction

    return ModelMeta(
        loader=load_char_ngram,
        name=CHAR_NGRAM,
        revision="1",
        release_date="2026-11-21",
        languages=sorted(LANGUAGE_SCRIPTS.values()),
        n_parameters=0,
        n_embedding_parameters=0,
        memory_usage_mb=0,
        max_tokens=None,
        embed_dim=1024,
        license="apache-2.0",
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["NumPy"],
        reference=None,
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        training_datasets=set(),
    )
