"""An encoder that remembers what it was asked for, and models to keep embeddings of."""

from __future__ import annotations

import numpy as np


class Encoder:
    """Embeds a text as numbers that tell it from all others, and remembers what it was asked for."""

    def __init__(self, dimension: int = 3) -> None:
        self.dimension = dimension
        self.batches: list[list[str]] = []
        self.known: dict[str, int] = {}

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.batches.append(list(texts))
        return self.expected(texts)

    def expected(self, texts) -> np.ndarray:
        numbers = [self.known.setdefault(text, len(self.known) + 1) for text in texts]
        return np.array([[number] * self.dimension for number in numbers], dtype=np.float32).reshape(
            len(numbers), self.dimension
        )

    @property
    def encoded(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


class Model:
    """A model without weights."""
