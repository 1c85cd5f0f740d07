"""Small encoders for tests, in the shapes in which MTEB meets encoders."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import torch
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder


def hashed_vector(text: str, dimension: int = 16) -> np.ndarray:
    """A vector that depends on nothing but the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).normal(size=dimension).astype(np.float32)


def named_meta(name: str = "test/encoder", **changes) -> ModelMeta:
    """Metadata with a name and nothing else."""
    return ModelMeta.create_empty().model_copy(update={"name": name, "revision": "1", **changes})


class CountingEncoder(AbsEncoder):
    """Hash vectors as embeddings; counts what it encodes in which role."""

    def __init__(self, name: str = "test/encoder", prompts: dict[str, str] | None = None) -> None:
        self.mteb_model_meta = named_meta(name)
        self.model_prompts = prompts
        self.seen: Counter[tuple[str, str]] = Counter()

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        self.seen.update((prompt_type.value, text) for text in texts)
        return np.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> np.ndarray:
        return hashed_vector(text)


class TrainedEncoder(CountingEncoder):
    """Hash vectors through weights, which may be trained."""

    def __init__(self):
        super().__init__()
        self.model = torch.nn.Linear(16, 16)

    def vector(self, text):
        with torch.no_grad():
            return self.model(torch.from_numpy(hashed_vector(text))).numpy()


class PlainEncoder:
    """An encoder that implements MTEB's protocol and inherits nothing."""

    def __init__(self, name: str = "test/plain") -> None:
        self.mteb_model_meta = named_meta(name)
        self.encoded = 0

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        texts = [self.prompt(task_metadata) + text for batch in inputs for text in batch["text"]]
        self.encoded += len(texts)
        return torch.from_numpy(np.stack([hashed_vector(text) for text in texts]))

    def prompt(self, task_metadata) -> str:
        return ""

    def similarity(self, a, b):
        a, b = torch.as_tensor(a).float(), torch.as_tensor(b).float()
        return torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T

    def similarity_pairwise(self, a, b):
        return torch.nn.functional.cosine_similarity(torch.as_tensor(a), torch.as_tensor(b))


class NameReadingEncoder(PlainEncoder):
    """Its prompt is the task's name."""

    def prompt(self, task_metadata) -> str:
        return task_metadata.name + ": "


class OwnSimilarityEncoder(PlainEncoder):
    """Ranks by negative Euclidean distance."""

    def similarity(self, a, b):
        return -torch.cdist(torch.as_tensor(a).double(), torch.as_tensor(b).double())
