"""The embedded baseline: hashed character n-grams, training-free and deterministic.

It matches spelling and nothing else, so it finds passages in the language of the question and hardly any other: what
strong language bias looks like.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.models.abs_encoder import AbsEncoder
from sklearn.feature_extraction.text import HashingVectorizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 1024


class CharNgramEncoder(AbsEncoder):
    """Counts of character 1- to 4-grams inside words, hashed to 1,024 dimensions, of length 1.

    Texts are NFKC-normalised and lower-cased. Hashes have no sign, so that no text can cancel itself to zero.
    """

    def __init__(self, model_name: str, revision: str | None = None, device: str | None = None, **kwargs: Any) -> None:
        del model_name, revision, device, kwargs  # MTEB's loader interface; nothing here depends on them
        self.vectorizer = HashingVectorizer(
            analyzer="char_wb",
            ngram_range=(1, 4),
            n_features=DIMENSION,
            alternate_sign=False,
            norm="l2",
            dtype=np.float32,
        )

    def encode(self, inputs: Any, **kwargs: Any) -> NDArray[np.float32]:
        """Encode a DataLoader of MTEB: float32, shape (texts, 1024); role, task and options do not matter."""
        del kwargs
        texts = [unicodedata.normalize("NFKC", text) for batch in inputs for text in batch["text"]]
        embeddings: NDArray[np.float32] = self.vectorizer.transform(texts).toarray()
        return embeddings
