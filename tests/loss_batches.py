"""A tiny model, a batch of texts in columns, and the loss and its gradient on them."""

from __future__ import annotations

import copy

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_models import sentence_transformer

from mteb_hybrid.trainers.labels import encode_label

QUERIES = ["who", "where is it", "when", "what did she say", "why", "how far"]
PASSAGES = ["a man", "over the hill", "at noon", "nothing much", "because of rain", "ten miles and a half"]
NEGATIVES = ["a dog", "on a shelf", "at midnight", "she was silent", "for no reason", "by bus"]
PARALLEL_QUERIES = ["wer", "wo ist es", "wann", "was sagte sie", "warum", "wie weit"]
PARALLEL_PASSAGES = ["ein mann", "jenseits vom berg", "am mittag", "nicht viel", "wegen regen", "zehn meilen"]
FIVE = [QUERIES, PASSAGES, NEGATIVES, PARALLEL_QUERIES, PARALLEL_PASSAGES]
ITEMS, CROSS = [3, 1, 3, 4, 5, 3], [0, 1, 1, 0, 1, 0]
EVERY = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> SentenceTransformer:
    directory = sentence_transformer(tmp_path_factory.mktemp("model") / "tiny")
    return SentenceTransformer(str(directory), device="cpu")


@pytest.fixture
def model(loaded) -> SentenceTransformer:
    """In float64, and in evaluation mode: no dropout, so that two passes give the same embeddings."""
    return copy.deepcopy(loaded).double().eval()


def features(model: SentenceTransformer, columns) -> list[dict[str, torch.Tensor]]:
    return [model.tokenize(column) for column in columns]


def labels(items=ITEMS, cross=CROSS, *, parallel: bool = False) -> torch.Tensor:
    return encode_label(torch.tensor(items), torch.tensor(cross), parallel=parallel)


def total(loss: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
    """What the trainer makes of a loss."""
    return torch.stack(list(loss.values())).sum() if isinstance(loss, dict) else loss


def value_and_gradient(loss, columns, given=None, weight: float = 1.0) -> list[torch.Tensor]:
    """The loss and the gradients of all weights; weighted as by a gradient scaler or accumulation."""
    loss.model.zero_grad()
    found = total(loss(features(loss.model, columns), given))
    (weight * found).backward()
    gradients = [weight.grad.clone() for weight in loss.model.parameters() if weight.grad is not None]
    assert gradients
    return [found.detach(), *gradients]


def assert_equal(found, expected, rtol: float = 1e-8, atol: float = 1e-11):
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


OPTIONS = {
    "items": {},
    "every direction": {"directions": EVERY},
    "positives": {"positives": "parallel"},
    "consistency": {"consistency": 0.5},
    "all": {"directions": EVERY, "positives": "parallel", "consistency": 2.0},
}
